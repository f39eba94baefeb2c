"""Trained linearizers x_{t+1} = g^{-1}(A g(x_t)), g an invertible network, on systems with one and with three fixed points."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamark.methods.koopman.networks import mlp, seeded, windows
from dynamark.methods.training import Recipe, train
from dynamark.tasks.base import Scores
from dynamark.tasks.koopman import systems
from dynamark.tasks.koopman.systems import ODE, Flow, box
from dynamark.tasks.problems import Run

__all__ = ["Conjugacy", "Linearizer"]

_DT = 0.25
_WINDOW = 10


class Linearizer(nn.Module):
    """g, affine couplings in turn on either half, y_2 = x_2 e^{tanh s(x_1)} + t(x_1), and a matrix A, first the identity."""

    def __init__(self, dim: int, layers: int = 8, hidden: int = 32) -> None:
        super().__init__()
        half = dim // 2
        self.first = half
        self.parts = nn.ModuleList([mlp((half, hidden, 2 * half), "tanh") for _ in range(layers)])
        self.matrix = nn.Parameter(torch.eye(dim))

    def _scale(self, part: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        log, shift = part(x).chunk(2, dim=-1)
        return torch.exp(torch.tanh(log)), shift

    def lift(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """g(x)."""
        for part in self.parts:
            constant, moved = x[..., : self.first], x[..., self.first :]
            scale, shift = self._scale(part, constant)
            x = torch.cat([moved * scale + shift, constant], dim=-1)
        return x

    def lower(self, y: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """g^{-1}(y)."""
        for part in reversed(self.parts):
            moved, constant = y[..., : self.first], y[..., self.first :]
            scale, shift = self._scale(part, constant)
            y = torch.cat([constant, (moved - shift) / scale], dim=-1)
        return y

    def forward(
        self, start: Float[Tensor, "batch dim"], steps: int, every: int = 0, again: Linearizer | None = None
    ) -> Float[Tensor, "batch steps dim"]:
        """g^{-1}(A^t g(x_0)), t = 1 .. steps; every `every` steps lowered and lifted again (0: never), by `again` if given."""
        z, latent = self.lift(start), []
        for step in range(1, steps + 1):
            z = z @ self.matrix.T
            latent.append(z)
            if every and step % every == 0:
                z = (again or self).lift(self.lower(z))
        return self.lower(torch.stack(latent, dim=1))


def _system(name: str) -> tuple[Flow, float]:
    """The flow, and half the side of the box of initial states."""
    if name == "slow_manifold":
        return systems.slow_manifold_flow(-0.05, -1.0), 1.0
    return ODE(systems.duffing(0.5), substeps=4), 1.5


@dataclass(frozen=True)
class Conjugacy:
    """A linearizer trained on 300 trajectories of 20 steps 0.25 apart, on rollouts of ten steps; tested on `tests` others.

    system: `slow_manifold`, x1' = -0.05 x1, x2' = -(x2 - x1^2), initial states in [-1, 1]^2, whose flow is conjugate to a linear
    one; `duffing`, x'' = -0.5 x' + x - x^3, in [-1.5, 1.5]^2, whose three fixed points no invertible linear map has.
    invertible = False: lifting again uses an encoder whose weights are off by 1 %, as of an autoencoder.
    Scores, errors in standard deviations of the training data: `worst`, the largest nrmse of a step up to `horizon`; `at_40`,
    step 40; `plain`, the worst of the linear least-squares map of the state; `slow_rate` and `fast_rate`, errors of the rates
    of A against -0.05 and -1; `again`, the largest difference, over `horizon` steps in float64, of rollouts lifted again every
    1 or 5 steps and never; `inexact`, the same with the encoder that is off.
    Source: Berman, Hallak and Shocher, Who Said Neural Networks Aren't Linear?, 2025, sections 3 and 4.
    """

    system: Literal["slow_manifold", "duffing"] = "slow_manifold"
    steps: int = 1200
    batch: int = 128
    invertible: bool = True
    tests: int = 100
    horizon: int = 200

    def measure(self, run: Run) -> Scores:
        """One training set and one network."""
        flow, side = _system(self.system)
        starts = box((-side, -side), (side, side))
        paths, truth = flow(starts(run.numpy, 300), _DT, 20), flow(starts(run.numpy, self.tests), _DT, self.horizon)
        mean, sd = paths.mean(axis=(0, 1)), paths.std(axis=(0, 1))
        scaled, exact = (torch.from_numpy((x - mean) / sd) for x in (paths, truth))
        network = self._trained(scaled.float(), run).double().requires_grad_(False)
        error = (network(exact[:, 0], self.horizon) - exact[:, 1:]).square().mean(dim=(0, 2)).sqrt()
        rates = np.sort(np.log(np.abs(np.linalg.eigvals(network.matrix.numpy()))) / _DT)
        again, inexact = self._differences(network, exact[:, 0], run)
        return Scores(
            {
                "worst": float(error.max()),
                "at_40": float(error[39]),
                "plain": _linear_error(scaled, exact),
                "slow_rate": float(abs(rates[1] + 0.05)),
                "fast_rate": float(abs(rates[0] + 1)),
                "again": again,
                "inexact": inexact,
            }
        )

    def _trained(self, paths: Float[Tensor, "trajectory time dim"], run: Run) -> Linearizer:
        with seeded(run):
            network = Linearizer(paths.shape[2])

        def batch(member: int, own: Run) -> tuple[Tensor]:
            return (windows(paths, _WINDOW + 1, self.batch, own.generator),)

        def loss(model: Any, window: Tensor) -> Tensor:
            return (model(window[:, 0], window.shape[1] - 1) - window[:, 1:]).square().mean()

        (trained,) = train([network], loss, batch, [run], Recipe(steps=self.steps, rate=5e-3, schedule="one_cycle"))
        assert isinstance(trained, Linearizer)
        return trained

    def _differences(self, network: Linearizer, start: Tensor, run: Run) -> tuple[float, float]:
        """The largest differences of rollouts that are lifted again, exactly and by an encoder that is off."""
        off = copy.deepcopy(network)
        for weight in off.parts.parameters():
            weight.mul_(1 + 0.01 * torch.randn(weight.shape, generator=run.generator).to(weight))
        never = network(start, self.horizon)
        differences = {
            encoder: max(float((network(start, self.horizon, every, encoder) - never).abs().max()) for every in (1, 5))
            for encoder in (network, off)
        }
        return differences[network if self.invertible else off], differences[off]


def _linear_error(paths: Float[Tensor, "trajectory time dim"], exact: Float[Tensor, "test later dim"]) -> float:
    """The largest nrmse of a step of x_{t+1} = [x_t, 1] M, fitted by least squares."""

    def affine(x: Tensor) -> Tensor:
        return torch.cat([x, torch.ones_like(x[:, :1])], dim=1)

    before, after = paths[:, :-1].flatten(0, 1), paths[:, 1:].flatten(0, 1)
    matrix = torch.linalg.lstsq(affine(before), after, driver="gelsd").solution
    x, errors = exact[:, 0], []
    for t in range(1, exact.shape[1]):
        x = affine(x) @ matrix
        errors.append(float((x - exact[:, t]).square().mean().sqrt()))
    return max(errors)
