"""Koopman autoencoders: an encoder whose latent states evolve linearly, with periodic re-encoding in forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamark.methods.fields import Batch, Count, Order, Penalty, Positive, SearchSpace, Size, Steps
from dynamark.methods.koopman.lifted import LiftedModel, best_relift, clipped
from dynamark.methods.koopman.networks import Activation, Scaling, mlp, seeded, windows
from dynamark.methods.training import Recipe, train
from dynamark.tasks.problems import Forecasting, Run

__all__ = ["PERIODS", "KoopmanAutoencoder", "KoopmanNetwork", "lifted_model"]

# Re-encoding periods, in steps, among which validation data chooses; 0 never re-encodes.
PERIODS = (0, 1, 2, 5, 10, 25, 50)


class KoopmanNetwork(nn.Module):
    """Encoder, decoder and an unconstrained matrix K; its inputs are scaled states."""

    def __init__(self, widths: tuple[int, ...], activation: str, start: Tensor) -> None:
        super().__init__()
        self.encoder = mlp(widths, activation)
        self.decoder = mlp(widths[::-1], activation)
        self.matrix = nn.Parameter(start)

    def forward(
        self, window: Float[Tensor, "window time dim"], reconstructed: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Reconstructions, predictions from the first state, their latent states, and the latent states of the window.

        Shapes are [window, time, dim or latent]; predictions and their latent states start at time 1. Only the first
        `reconstructed` states are reconstructed from their own latent states; None reconstructs all.
        """
        count = window.shape[1] if reconstructed is None else reconstructed
        latent = self.encoder(window)
        z, path = latent[:, 0], []
        for _ in range(window.shape[1] - 1):
            z = z @ self.matrix
            path.append(z)
        latent_path = torch.stack(path, dim=1)
        decoded = self.decoder(torch.cat([latent[:, :count], latent_path], dim=1))
        return decoded[:, :count], decoded[:, count:], latent_path, latent


@dataclass(frozen=True)
class KoopmanAutoencoder:
    """z = e(x), z <- z K, x = d(z), with re-encoding z <- e(d(z)) every k steps when forecasting.

    loss = mean |d(z_0 K^t) - x_t|^2 + mean |d(e(x_t)) - x_t|^2 + alignment * mean |z_0 K^t - e(x_t)|^2, t = 1..window, in units
    of the training data's standard deviation. Re-encoding projects a latent state back onto the manifold of encoded states, at
    the price of the reconstruction error: the best period is neither every step nor never.

    reencode_every: k; 0 never re-encodes, None chooses among `PERIODS` by the error on validation trajectories.
    clip_rho: clip the moduli of K's eigenvalues to 1 before forecasting, a control that separates accuracy from stability.
    steps, batch, latent, hidden: budget and sizes of this benchmark. The paper's text does not state its own; a public notebook
    uses 2e4 steps of 256 windows and 64 latent states.

    Source: Fathi et al. 2023, Course correcting Koopman representations, section 3; the loss is Lusch et al. 2018.
    key: fathi2023
    """

    latent: Size = 16
    hidden: tuple[Size, ...] = (64, 64)
    activation: Activation = "gelu"
    window: Count = 8
    alignment: Penalty = 0.1
    steps: Steps = 1500
    batch: Batch = 64
    rate: Positive = 2e-3
    reencode_every: Order | None = None
    clip_rho: bool = False
    search_space: ClassVar[SearchSpace] = {"rate": (2e-3, 5e-4, 5e-3), "latent": (16, 8, 32)}

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[LiftedModel]:
        """Train all seeds in one loop."""
        scalings = [Scaling(problem.train) for problem in problems]
        paths = [scale(p.train.observations.double()).float() for scale, p in zip(scalings, problems, strict=True)]
        networks = [self._network(problem.train.dim, run) for problem, run in zip(problems, runs, strict=True)]

        def batch(member: int, run: Run) -> tuple[Tensor]:
            return (windows(paths[member], self.window + 1, self.batch, run.generator),)

        recipe = Recipe(steps=self.steps, rate=self.rate, schedule="one_cycle", clip=5.0)
        trained = train(networks, self._loss, batch, runs, recipe)
        fitted = zip(trained, scalings, problems, strict=True)
        return [self._model(network, scale, problem) for network, scale, problem in fitted]

    def _network(self, dim: int, run: Run) -> KoopmanNetwork:
        with seeded(run):
            start = torch.eye(self.latent) + 0.01 * torch.randn(self.latent, self.latent)
            return KoopmanNetwork((dim, *self.hidden, self.latent), self.activation, start)

    def _loss(self, network: Any, window: Tensor) -> Tensor:
        decoded, predicted, latent_path, latent = network(window)
        prediction = (predicted - window[:, 1:]).square().mean()
        reconstruction = (decoded - window).square().mean()
        return prediction + reconstruction + self.alignment * (latent_path - latent[:, 1:]).square().mean()

    def _model(self, network: nn.Module, scale: Scaling, problem: Forecasting) -> LiftedModel:
        model = lifted_model(network, scale, clip=self.clip_rho)
        period = self.reencode_every
        return replace(model, relift=best_relift(model, problem.validation, PERIODS) if period is None else period)


def lifted_model(network: nn.Module, scale: Scaling, clip: bool = False) -> LiftedModel:
    """The lifted model of a trained network (`encoder`, `decoder`, `matrix`) in float64, as |lambda|^500 amplifies errors.

    clip: clip the moduli of the matrix's eigenvalues to 1.
    """
    network = network.double().requires_grad_(False)
    encoder, decoder, matrix = network.encoder, network.decoder, network.matrix
    assert isinstance(encoder, nn.Module)
    assert isinstance(decoder, nn.Module)
    assert isinstance(matrix, Tensor)
    matrix = matrix.detach()
    stored = sum(p.numel() for part in (encoder, decoder) for p in part.parameters()) + 2 * scale.mean.numel()
    return LiftedModel(
        lambda x: encoder(scale(x)),
        clipped(matrix) if clip else matrix,
        lambda z: scale.back(decoder(z)),
        stored,
    )
