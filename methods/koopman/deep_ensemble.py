"""Deep ensembles: networks that predict the mean and the variance of the next change, and are rolled out by sampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamark.errors import UserError
from dynamark.methods.fields import Batch, Count, Positive, SearchSpace, Size, Steps
from dynamark.methods.koopman.networks import mlp, seeded
from dynamark.methods.recurrent.forecaster import autonomous
from dynamark.methods.training import Recipe, train
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["DeepEnsemble", "EnsembleModel"]

# Bounds of the logarithm of a predicted standard deviation, in units of that of the training increments.
_LEAST, _MOST = -5.0, 2.0


@dataclass(frozen=True)
class DeepEnsemble:
    """x+ = x + s (m(x) + e^{v(x)} N(0, I)), (m, v) a perceptron; `members` of them differ in initialization and batches.

    s: standard deviation of the training increments. Each member minimizes the Gaussian negative log-likelihood
    mean |d - m|^2 e^{-2v}/2 + v of scaled increments d, v kept in [-5, 2] by a smooth bound; draw d follows member d mod members.
    The point forecast is the mean over members of paths without noise.
    Source: Lakshminarayanan, Pritzel & Blundell 2017, equation 1, without adversarial training.
    key: lakshminarayanan2017
    """

    members: Count = 4
    hidden: tuple[Size, ...] = (64, 64)
    steps: Steps = 2000
    batch: Batch = 256
    rate: Positive = 3e-3
    search_space: ClassVar[SearchSpace] = {"rate": (3e-3, 1e-3, 1e-2), "hidden": ((64, 64), (32,))}

    def fit_forecasters(self, problems: Sequence[Forecasting], runs: Sequence[Run]) -> list[EnsembleModel]:
        """Train all members of all seeds in one loop."""
        data = [_pairs(problem) for problem in problems]
        modules, inner = [], []
        for run, (x, _, _) in zip(runs, data, strict=True):
            for member in range(self.members):
                own = Run([*run.entropy, member], run.device, run.budget, None if member else run.on_progress)
                with seeded(own):
                    modules.append(_Network(x.shape[1], self.hidden))
                inner.append(own)

        def batch(place: int, run: Run) -> tuple[Tensor, ...]:
            x, change, _ = data[place // self.members]
            chosen = torch.randint(len(x), (self.batch,), generator=run.generator)
            return x[chosen], change[chosen]

        train(modules, _likelihood, batch, inner, Recipe(self.steps, self.rate, "one_cycle", clip=5.0))
        models = []
        for place, (run, (_, _, scale)) in enumerate(zip(runs, data, strict=True)):
            run.steps = inner[place * self.members].steps
            run.curves.update(inner[place * self.members].curves)
            own_modules = modules[place * self.members : (place + 1) * self.members]
            models.append(EnsembleModel([module.double().requires_grad_(False) for module in own_modules], scale))
        return models


def _pairs(problem: Forecasting) -> tuple[Tensor, Tensor, Tensor]:
    """States, their increments in units of the scale, both float32, and the scale [dim]."""
    x = autonomous(problem).train.observations.double()
    if x.shape[1] < 2:
        raise UserError("this method needs trajectories of at least 2 samples")
    change = (x[:, 1:] - x[:, :-1]).flatten(0, 1)
    scale = change.square().mean(0).sqrt()
    scale = torch.where(scale > 0, scale, 1.0)
    return x[:, :-1].flatten(0, 1).float(), (change / scale).float(), scale


def _likelihood(module: Callable[..., tuple[Tensor, Tensor]], x: Tensor, change: Tensor) -> Tensor:
    mean, log_sd = module(x)
    return ((change - mean).square() * (-2 * log_sd).exp() / 2 + log_sd).mean()


class _Network(nn.Module):
    """The mean of the scaled increment, and the logarithm of its standard deviation."""

    def __init__(self, dim: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.inside = mlp((dim, *hidden, 2 * dim), "tanh")

    def forward(self, x: Float[Tensor, "*batch dim"]) -> tuple[Tensor, Tensor]:
        mean, free = self.inside(x).chunk(2, dim=-1)
        middle, reach = (_MOST + _LEAST) / 2, (_MOST - _LEAST) / 2
        return mean, middle + reach * ((free - middle) / reach).tanh()


@dataclass(frozen=True)
class EnsembleModel:
    """The trained members in float64, and the scale of increments."""

    members: list[nn.Module]
    scale: Float[Tensor, " dim"]

    def _path(self, module: nn.Module, x: Tensor, noise: Float[Tensor, "horizon *batch dim"]) -> Tensor:
        out = torch.empty_like(noise)
        for place, kick in zip(out.unbind(0), noise, strict=True):
            mean, log_sd = module(x)
            x = x + self.scale * (mean + log_sd.exp() * kick)
            place.copy_(x)
        return out

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The mean over members, without noise."""
        x = context.observations[:, -1].double()
        still = x.new_zeros(horizon, *x.shape)
        return torch.stack([self._path(module, x, still) for module in self.members]).mean(0).transpose(0, 1)

    def sample(
        self,
        context: Trajectories,
        horizon: int,
        draws: int,
        generator: torch.Generator,
        inputs: Float[Tensor, "trajectory horizon channel"] | None = None,
    ) -> Float[Tensor, "trajectory draw horizon dim"]:
        """Draw d follows member d mod members, with its own noise."""
        x = context.observations[:, -1].double()
        shape = (horizon, draws, len(x), context.dim)
        noise = torch.randn(shape, generator=generator, dtype=torch.float64)
        out = torch.empty_like(noise)
        for member, module in enumerate(self.members):
            own = noise[:, member :: len(self.members)]
            out[:, member :: len(self.members)] = self._path(module, x.expand(own.shape[1], -1, -1), own)
        return out.permute(2, 1, 0, 3)

    def parameter_count(self) -> int:
        """The weights of all members, and the scale."""
        return sum(p.numel() for module in self.members for p in module.parameters()) + self.scale.numel()
