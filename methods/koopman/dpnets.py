"""Learned features for an evolution operator: two networks trained on a score of their covariances, then least squares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamark.errors import UserError
from dynamark.methods.fields import Batch, Penalty, Positive, SearchSpace, Size, Steps, Units
from dynamark.methods.koopman.lifted import LiftedModel, pairs
from dynamark.methods.koopman.networks import Scaling, seeded
from dynamark.methods.training import Recipe, train
from dynamark.tasks.problems import Forecasting, Run

__all__ = ["LearnedFeatures", "feature_loss", "metric_distortion"]

Score = Literal["relaxed", "projection", "vamp", "contrastive"]
_JITTER = 1e-6


class Circle(nn.Module):
    """(sin, cos)(2 pi x), for states with period 1."""

    def forward(self, x: Tensor) -> Tensor:
        """All sines, then all cosines: two numbers per coordinate."""
        return torch.cat([torch.sin(2 * math.pi * x), torch.cos(2 * math.pi * x)], dim=-1)


class PairNetwork(nn.Module):
    """f for states and g for their successors: two networks of equal architecture, with LeakyReLU between the layers.

    biases: whether hidden layers have biases. Without them f is homogeneous, f(a x) = a f(x) for a > 0, up to its last bias: that
    suffices on the circle, where all points have the same norm, but for one coordinate features only span
    {1, max(x, 0), min(x, 0)}.
    """

    def __init__(self, widths: tuple[int, ...], biases: bool = True) -> None:
        super().__init__()
        self.now, self.next = _network(widths, biases), _network(widths, biases)

    def forward(self, x: Float[Tensor, "pair dim"], y: Float[Tensor, "pair dim"]) -> tuple[Tensor, Tensor]:
        """f(x) and g(y)."""
        return self.now(x), self.next(y)


def _network(widths: tuple[int, ...], biases: bool) -> nn.Sequential:
    """Weights uniform in +-sqrt(3/inputs), in +-1 in the first layer, and last biases 0, as in the authors' code.

    Biases of hidden layers, which the authors' code does not have, use PyTorch's default: uniform in +-1/sqrt(inputs).
    """
    layers: list[nn.Module] = []
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        last = i == len(widths) - 2
        layer = nn.Linear(n_in, n_out, bias=biases or last)
        if i == 0:
            nn.init.uniform_(layer.weight, -1.0, 1.0)
        else:
            nn.init.kaiming_uniform_(layer.weight, a=1, nonlinearity="leaky_relu")
        if last:
            nn.init.zeros_(layer.bias)
        layers += [layer, nn.LeakyReLU()]
    return nn.Sequential(*layers[:-1])


@dataclass(frozen=True)
class LearnedFeatures:
    """K = E[f(x)' f(x)]^{-1} E[f(x)' f(x+)], f trained together with g on the covariances C_x, C_y, C_xy of f(x) and g(x+):

    relaxed      -|C_xy|_F^2 / (|C_x| |C_y|) + gamma (R(C_x) + R(C_y))/2, |C| the largest eigenvalue;
    projection   -tr(C_x^{-1} C_xy C_y^{-1} C_xy') + gamma (R(C_x) + R(C_y))/2;
    vamp         -tr(C_x^{-1} C_xy C_y^{-1} C_xy');
    contrastive  tr(C_x C_y) - 2 tr C_xy, which is |truncated operator - sum_i f_i g_i|^2 up to a constant.

    R(C) = mean_i (c_i^2 - c_i - ln c_i), 0 only at the identity, keeps features orthonormal. g is discarded after training. The
    state is read out from f by least squares, so forecasts are conditional means as far as f spans the coordinates.

    circle: states are angles with period 1, encoded as (sin, cos)(2 pi x), and hidden layers have no biases, as in the paper.
    steps, rate: the paper's 500 epochs of two batches, and its learning rate before a search, which stays below 1e-4.
    Source: Kostic et al. 2024, Learning invariant representations of time-homogeneous stochastic dynamical systems, eqs. (7)
    and (8) (relaxed, projection); Wu and Noe 2020 (vamp); HaoChen et al. 2021 (contrastive). Sizes are those of the experiment
    of Kostic et al. on the noisy logistic map.
    key: kostic2024
    """

    score: Score = "relaxed"
    features: Size = 7
    hidden: tuple[Size, ...] = (64, 128, 64)
    gamma: Penalty = 1.0
    circle: bool = False
    steps: Steps = 1000
    batch: Batch = 8192
    rate: Positive = 5e-5
    search_space: ClassVar[SearchSpace] = {"rate": (5e-5, 3e-4, 1e-3, 3e-3), "features": (7, 16, 32)}

    @property
    def data_units(self) -> Units:
        """Raw for angles, else standardized."""
        return "raw" if self.circle else "standardized"

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[LiftedModel]:
        """Train all seeds in one loop, then solve one regression per seed."""
        inputs = [Circle() if self.circle else Scaling(problem.train) for problem in problems]
        data = [pairs(problem.train) for problem in problems]
        if any(bool((x == x[0]).all()) for x, _ in data):
            raise UserError(
                "the training data is constant, so there are no features to learn; use training data that varies"
            )
        encoded = [tuple(scale(part).float() for part in both) for scale, both in zip(inputs, data, strict=True)]
        networks = []
        for (x, _), run in zip(encoded, runs, strict=True):
            with seeded(run):
                networks.append(PairNetwork((x.shape[1], *self.hidden, self.features), not self.circle))

        def batch(member: int, run: Run) -> tuple[Tensor, ...]:
            x, y = encoded[member]
            if len(x) <= self.batch:
                return x, y
            sample = torch.randint(len(x), (self.batch,), generator=run.generator)
            return x[sample], y[sample]

        def loss(network: Any, x: Tensor, y: Tensor) -> Tensor:
            f, g = network(x, y)
            return feature_loss(f, g, self.score, self.gamma)

        recipe = Recipe(self.steps, self.rate, schedule="constant", clip=None)
        trained = train(networks, loss, batch, runs, recipe)
        return [_regress(n, i, *both) for n, i, both in zip(trained, inputs, data, strict=True)]


def _regress(network: nn.Module, encode: nn.Module, x: Tensor, y: Tensor) -> LiftedModel:
    """The model with K and the readout from least squares of f(x+) and of the state on f(x)."""
    network = network.double().requires_grad_(False)
    encoder = network.now
    assert isinstance(encoder, nn.Module)

    def lift(states: Tensor) -> Tensor:
        return encoder(encode(states))

    at_x, at_y = lift(x), lift(y)
    solution = torch.linalg.lstsq(at_x, torch.cat([at_y, x], dim=1), driver="gelsd").solution
    matrix, readout = solution[:, : at_x.shape[1]], solution[:, at_x.shape[1] :]
    stored = sum(p.numel() for p in encoder.parameters()) + readout.numel()
    return LiftedModel(lift, matrix, lambda z: z @ readout, stored)


def feature_loss(
    f: Float[Tensor, "pair feature"], g: Float[Tensor, "pair feature"], score: Score, gamma: float = 1.0
) -> Tensor:
    """The loss that `LearnedFeatures` minimizes; covariances are not centered."""
    c_x, c_y, c_xy = _covariances(f, g)
    if score == "contrastive":
        return (c_x * c_y).sum() - 2 * c_xy.diagonal().sum()
    if score == "relaxed":
        top = torch.linalg.eigvalsh(c_x)[-1] * torch.linalg.eigvalsh(c_y)[-1]
        value = -c_xy.square().sum() / top
    else:
        jitter = _JITTER * torch.eye(len(c_x), dtype=f.dtype)
        solved = torch.linalg.solve(c_y + jitter, c_xy.mT)
        value = -(torch.linalg.solve(c_x + jitter, c_xy) * solved.mT).sum()
    if score == "vamp":
        return value
    d = f.shape[1]
    return value + gamma * (metric_distortion(c_x, d) + metric_distortion(c_y, d)) / 2


def _covariances(f: Tensor, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """E f'f, E g'g and E f'g, padded with zeros to a multiple of eight rows and columns.

    Batched products of 7 columns round differently at different positions of the batch, those of 8 do not: the results of a
    member must not depend, even in the last bit, on the other seeds in the batch.
    """
    f, g = (nn.functional.pad(part, (0, -part.shape[1] % 8)) for part in (f, g))
    n = len(f)
    return f.mT @ f / n, g.mT @ g / n, f.mT @ g / n


def metric_distortion(c: Float[Tensor, "row row"], features: int) -> Tensor:
    """R(C) = mean_i (c_i^2 - c_i - ln c_i) over the eigenvalues of the leading `features` x `features` block; 0 if all are 1.

    The padding on the rest of the diagonal is set to 1, which contributes 0.
    """
    padding = torch.diag((torch.arange(len(c)) >= features).to(c))
    values = torch.linalg.eigvalsh(c + padding).clamp(min=1e-12)
    return (values.square() - values - values.log()).sum() / features
