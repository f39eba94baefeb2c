"""Densities that change with time, as paths of the weights of a mixture of Gaussians in one dimension."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.interpolate import CubicSpline
from torch import Tensor, nn

__all__ = ["COMPONENTS", "WeightFlow", "anchors", "log_density", "sampled", "straight"]

COMPONENTS = 5
# Rate of Adam for anchors and for the flow, weight of the energy of a path, and hidden units of the flow.
_ANCHOR_RATE, _RATE, _ENERGY, _HIDDEN = 0.02, 1e-3, 1e-6, 64
# Euler steps between two snapshots that are trained on, and particles of a batch.
_SUBSTEPS, _BATCH = 4, 200


def log_density(
    weights: Float[Tensor, "*time 15"], x: Float[Tensor, "*time particle"]
) -> Float[Tensor, "*time particle"]:
    """ln sum_k p_k N(x; m_k, s_k^2); weights: five logits of p, five m, five ln s."""
    logits, means, log_sd = weights.reshape(*weights.shape[:-1], 3, 1, COMPONENTS).unbind(-3)
    scaled = (x.unsqueeze(-1) - means) * (-log_sd).exp()
    terms = logits.log_softmax(-1) - log_sd - scaled.square() / 2 - math.log(2 * math.pi) / 2
    return terms.logsumexp(-1)


def sampled(weights: Float[Tensor, " 15"], count: int, rng: np.random.Generator) -> Float[ndarray, " count"]:
    """Draws from a mixture."""
    logits, means, log_sd = weights.numpy().reshape(3, COMPONENTS)
    shares = np.exp(logits - logits.max())
    place = rng.choice(COMPONENTS, count, p=shares / shares.sum())
    return np.asarray(means[place] + np.exp(log_sd[place]) * rng.standard_normal(count))


def anchors(
    snapshots: Float[Tensor, "time particle"], in_sequence: bool, steps: int, generator: torch.Generator
) -> Float[Tensor, "time 15"]:
    """Weights of greatest likelihood of each snapshot by Adam, each started from those before it or, else, at random."""

    def start(count: int) -> Tensor:
        drawn = torch.randn(count, 3 * COMPONENTS, generator=generator, dtype=torch.float64)
        return drawn * torch.tensor([0.1, 1.0, 0.1], dtype=torch.float64).repeat_interleave(COMPONENTS)

    if not in_sequence:
        return _fitted(start(len(snapshots)), snapshots, steps)
    weights = [start(1)]
    for x in snapshots:
        weights.append(_fitted(weights[-1], x[None], steps))
    return torch.cat(weights[1:])


def _fitted(start: Tensor, snapshots: Tensor, steps: int) -> Tensor:
    weights = start.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([weights], lr=_ANCHOR_RATE)
    for _ in range(steps):
        optimizer.zero_grad()
        # A sum, so that each snapshot has its own gradient.
        loss = -log_density(weights, snapshots).mean(-1).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return weights.detach()


def straight(weights: Float[Tensor, "time 15"], times: ndarray, time: float) -> Float[Tensor, " 15"]:
    """The weights at a time, linear between two anchors."""
    rows = [np.interp(time, times, column) for column in weights.numpy().T]
    return torch.tensor(rows, dtype=torch.float64)


@dataclass(frozen=True)
class WeightFlow:
    """d theta/dt = g(theta) dZ/dt from the first anchor: Z is the natural cubic spline of the anchors' principal component.

    g: a perceptron of 64 hidden units, trained by Adam on the likelihood of the snapshots along the path plus 1e-6 times the
    path's energy. theta: in units of the anchors' standard deviations about their mean.
    """

    network: nn.Module
    path: CubicSpline
    mean: Float[Tensor, " 15"]
    scale: Float[Tensor, " 15"]
    first: Float[Tensor, " 15"]

    @classmethod
    def fitted(
        cls,
        weights: Float[Tensor, "time 15"],
        snapshots: Float[Tensor, "time particle"],
        times: Float[ndarray, " time"],
        steps: int,
        generator: torch.Generator,
    ) -> WeightFlow:
        """Train g; times are equidistant and increasing."""
        mean, scale = weights.mean(0), weights.std(0).clamp_min(1e-3)
        scaled = (weights - mean) / scale
        component = torch.linalg.svd(scaled, full_matrices=False)[2][0]
        path = CubicSpline(times, (scaled @ component).numpy(), bc_type="natural")
        width = weights.shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
            network = nn.Sequential(nn.Linear(width, _HIDDEN), nn.Tanh(), nn.Linear(_HIDDEN, width)).double()
        flow = cls(network, path, mean, scale, scaled[0])
        optimizer = torch.optim.Adam(network.parameters(), lr=_RATE)
        grid = np.linspace(times[0], times[-1], (len(times) - 1) * _SUBSTEPS + 1)
        for _ in range(steps):
            states = flow.integrated(grid)
            batch = snapshots[:, torch.randint(snapshots.shape[1], (_BATCH,), generator=generator)]
            energy = states.diff(dim=0).square().sum() / (grid[1] - grid[0])
            loss = -log_density(flow.back(states[::_SUBSTEPS]), batch).mean() + _ENERGY * energy
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return flow

    def integrated(self, grid: Float[ndarray, " time"]) -> Float[Tensor, "time 15"]:
        """Scaled weights at the times of a grid by Euler's method."""
        states = [self.first]
        for step in np.diff(self._latent(grid)):
            states.append(states[-1] + step * self.network(states[-1]))
        return torch.stack(states)

    def _latent(self, grid: ndarray) -> ndarray:
        """Z; after the last anchor it goes on along its tangent, as a natural spline does."""
        end = self.path.x[-1]
        return np.asarray(self.path(np.minimum(grid, end)) + self.path(end, 1) * np.maximum(grid - end, 0))

    def back(self, states: Float[Tensor, "time 15"]) -> Float[Tensor, "time 15"]:
        """From scaled weights to weights."""
        return self.mean + self.scale * states

    def at(self, time: float) -> Float[Tensor, " 15"]:
        """The weights at a time after the first snapshot."""
        spacing = (self.path.x[1] - self.path.x[0]) / _SUBSTEPS
        grid = self.path.x[0] + spacing * np.arange(round((time - self.path.x[0]) / spacing) + 1)
        with torch.no_grad():
            return self.back(self.integrated(grid))[-1]
