"""Consistent Koopman autoencoders: matrices for steps forward and backward, trained to be inverse to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dynamark.methods.fields import Batch, Count, Penalty, Positive, SearchSpace, Size, Steps
from dynamark.methods.koopman.autoencoder import KoopmanNetwork, lifted_model
from dynamark.methods.koopman.lifted import LiftedModel
from dynamark.methods.koopman.networks import Scaling, seeded, windows
from dynamark.methods.training import Recipe, train
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["ConsistentAutoencoder", "JointScaling", "inconsistency"]


class ConsistentNetwork(KoopmanNetwork):
    """A Koopman network with a second matrix for backward steps."""

    def __init__(self, widths: tuple[int, ...], start: Tensor) -> None:
        super().__init__(widths, "tanh", start)
        self.back = nn.Parameter(start.clone())

    def forward(self, window: Tensor, reconstructed: int | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Reconstructions, predictions from the first state, backward predictions from the last (latest first), both matrices."""
        decoded, predicted, _, latent = super().forward(window, reconstructed)
        z, path = latent[:, -1], []
        for _ in range(window.shape[1] - 1):
            z = z @ self.back
            path.append(z)
        return decoded, predicted, self.decoder(torch.stack(path, dim=1)), torch.stack([self.matrix, self.back])


class JointScaling(Scaling):
    """One affine map for all coordinates, which takes the training data to [-1, 1].

    It preserves the relative variance of the coordinates, and so the size of the gradient to which `clip` refers.
    """

    def __init__(self, train: Trajectories) -> None:
        super().__init__(train)
        low, high = train.observations.double().aminmax()
        self.mean = ((low + high) / 2).expand_as(self.mean).clone()
        self.sd = ((high - low) / 2 if high > low else torch.ones_like(high)).expand_as(self.sd).clone()


@dataclass(frozen=True)
class ConsistentAutoencoder:
    """T mean |d(e(x)) - x|^2 + sum_t |d(z_0 C^t) - x_t|^2 + backward sum_t |d(z_T D^t) - x_{T-t}|^2 + consistency * gap(C, D),

    gap = sum_k (|D_k: C_:k - I|^2 + |C_k: D_:k - I|^2)/(2k), over the first k rows and columns, which makes D the inverse of C.
    Squared norms of states are means over windows and coordinates.

    One affine map for all coordinates takes the training states to [-1, 1], as in the paper's data.

    Source: Azencot et al. 2020, eqs. (7)-(13), with the loss weights of the authors' code. The learning rate decays exponentially
    to a hundredth, where the authors reduce it at four epochs; the budget is in steps, not epochs.
    key: azencot2020
    """

    latent: Size = 6
    hidden: tuple[Size, ...] = (16, 16)
    window: Count = 8
    backward: Penalty = 0.1
    consistency: Penalty = 0.01
    steps: Steps = 5000
    batch: Batch = 64
    rate: Positive = 1e-2
    clip: Positive = 0.05
    weight_decay: Penalty = 0.0
    search_space: ClassVar[SearchSpace] = {
        "rate": (1e-2, 3e-3, 1e-3),
        "latent": (6, 12, 24),
        "hidden": ((16, 16), (64, 64)),
    }

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[LiftedModel]:
        """All seeds in one training loop."""
        scalings = [JointScaling(problem.train) for problem in problems]
        paths = [scale(p.train.observations.double()).float() for scale, p in zip(scalings, problems, strict=True)]
        networks = [self._network(problem.train.dim, run) for problem, run in zip(problems, runs, strict=True)]

        def batch(member: int, run: Run) -> tuple[Tensor]:
            return (windows(paths[member], self.window + 1, self.batch, run.generator),)

        recipe = Recipe(
            self.steps, self.rate, schedule="exponential", final=0.01, clip=self.clip, weight_decay=self.weight_decay
        )
        trained = train(networks, self._loss, batch, runs, recipe)
        return [lifted_model(network, scale) for network, scale in zip(trained, scalings, strict=True)]

    def _network(self, dim: int, run: Run) -> nn.Module:
        with seeded(run):
            start = torch.linalg.qr(torch.randn(self.latent, self.latent)).Q
            return ConsistentNetwork((dim, *self.hidden, self.latent), start)

    def _loss(self, network: Any, window: Tensor) -> Tensor:
        decoded, predicted, backward, matrices = network(window)
        steps = window.shape[1] - 1
        identity = (decoded - window).square().mean()
        ahead = (predicted - window[:, 1:]).square().mean()
        back = (backward - window[:, :-1].flip(1)).square().mean()
        return steps * (identity + ahead + self.backward * back) + self.consistency * inconsistency(
            matrices[0], matrices[1]
        )


def inconsistency(c: Tensor, d: Tensor) -> Tensor:
    """sum_k (|D_k: C_:k - I_k|^2 + |C_k: D_:k - I_k|^2)/(2k): 0 if and only if D is the inverse of C."""
    total = c.new_zeros(())
    for k in range(1, len(c) + 1):
        eye = torch.eye(k, dtype=c.dtype)
        total = total + ((d[:k] @ c[:, :k] - eye).square().sum() + (c[:k] @ d[:, :k] - eye).square().sum()) / (2 * k)
    return total
