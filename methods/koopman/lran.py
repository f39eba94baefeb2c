"""Linearly recurrent autoencoder networks: few latent states, long windows, relative errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from dynamark.methods.fields import Batch, Penalty, Positive, Range, SearchSpace, Share, Size, Steps
from dynamark.methods.koopman.autoencoder import KoopmanNetwork, lifted_model
from dynamark.methods.koopman.lifted import LiftedModel
from dynamark.methods.koopman.networks import Scaling, seeded, windows
from dynamark.methods.training import Recipe, train
from dynamark.tasks.problems import Forecasting, Run

__all__ = ["LRAN"]


@dataclass(frozen=True)
class LRAN:
    """x^_t = d(e(x_0) K^t), t = 0 .. T-1, with K unconstrained, trained on the loss

    1/(1+beta) [sum_t delta^t |x^_t - x_t|^2/(|x_t|^2 + eps) / sum_t delta^t
                + beta sum_{t>=1} delta^{t-1} |z^_t - z_t|^2/(|z_t|^2 + eps) / sum_{t>=1} delta^{t-1}], z_t = e(x_t).

    K is initialized as .95 I + .05 N(0, 1): a random orthogonal initialization has negative eigenvalues, from which training does
    not recover. States are in units of the training data's standard deviation.

    Source: Otto and Rowley 2019, eqs. (10)-(13). Sizes, learning rate and steps are those of this benchmark.
    key: otto2019
    """

    latent: Size = 3
    hidden: tuple[Size, ...] = (50, 50)
    window: Annotated[int, Range(2, 10_000)] = 11
    decay: Share = 0.9
    beta: Penalty = 1.0
    epsilon: Positive = 0.05
    steps: Steps = 6000
    batch: Batch = 128
    rate: Positive = 3e-3
    search_space: ClassVar[SearchSpace] = {"rate": (3e-3, 1e-3, 1e-2), "latent": (3, 8, 16)}

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[LiftedModel]:
        """Train all seeds in one loop."""
        scalings = [Scaling(problem.train) for problem in problems]
        paths = [scale(p.train.observations.double()).float() for scale, p in zip(scalings, problems, strict=True)]
        networks = [self._network(problem.train.dim, run) for problem, run in zip(problems, runs, strict=True)]

        def batch(member: int, run: Run) -> tuple[Tensor]:
            return (windows(paths[member], self.window, self.batch, run.generator),)

        recipe = Recipe(steps=self.steps, rate=self.rate, schedule="one_cycle", clip=5.0)
        trained = train(networks, self._loss, batch, runs, recipe)
        return [lifted_model(network, scale) for network, scale in zip(trained, scalings, strict=True)]

    def _network(self, dim: int, run: Run) -> nn.Module:
        with seeded(run):
            start = 0.95 * torch.eye(self.latent) + 0.05 * torch.randn(self.latent, self.latent)
            return KoopmanNetwork((dim, *self.hidden, self.latent), "elu", start)

    def _loss(self, network: Any, window: Tensor) -> Tensor:
        first, predicted, latent_path, latent = network(window, 1)
        weights = self.decay ** torch.arange(window.shape[1], dtype=window.dtype)
        state_error = self._relative(torch.cat([first, predicted], dim=1), window) @ weights / weights.sum()
        latent_error = self._relative(latent_path, latent[:, 1:]) @ weights[:-1] / weights[:-1].sum()
        return (state_error + self.beta * latent_error).mean() / (1 + self.beta)

    def _relative(self, predicted: Tensor, true: Tensor) -> Tensor:
        """|predicted - true|^2 / (|true|^2 + eps) [window, time]."""
        return (predicted - true).square().sum(-1) / (true.square().sum(-1) + self.epsilon)
