"""Snapshots of independent particles in a double well: densities between the times at which they were seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from dynamark.runners.claims.chaos.weight_paths import WeightFlow, anchors, sampled, straight
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["WellSnapshots", "distance", "transported", "well_particles"]

# Snapshots are 0.5 apart. Those with even numbers are trained on, up to number 10; number 12 lies beyond them.
_SPACING, _LAST, _BEYOND, _STEP = 0.5, 10, 12, 0.01
_TRAINED, _BETWEEN = range(0, _LAST + 1, 2), range(1, _LAST, 2)
# The order of the training snapshots in the control: none stays at its time.
_SHUFFLED = (3, 4, 5, 0, 1, 2)


def well_particles(count: int, rng: np.random.Generator) -> Float[ndarray, "snapshot particle"]:
    """dX = 2 (X - X^3) dt + .5 dW from N(0, .09) by Euler-Maruyama: fresh particles in each of the snapshots 0 to 12."""
    x = 0.3 * rng.standard_normal((_BEYOND + 1, count))
    per_snapshot = round(_SPACING / _STEP)
    for step in range(_BEYOND * per_snapshot):
        moving = slice(step // per_snapshot + 1, None)  # snapshot k ends after k spacings
        here = x[moving]
        noise = np.sqrt(_STEP) * 0.5 * rng.standard_normal(here.shape)
        x[moving] = here + _STEP * 2 * (here - here * here * here) + noise
    return x


def distance(x: Float[ndarray, " particle"], y: Float[ndarray, " particle"]) -> float:
    """Wasserstein-1 distance of equally many points."""
    return float(np.abs(np.sort(x) - np.sort(y)).mean())


def transported(x: Float[ndarray, " particle"], y: Float[ndarray, " particle"]) -> Float[ndarray, " particle"]:
    """Halfway along the optimal transport from x to y, which in one dimension keeps the order."""
    return (np.sort(x) + np.sort(y)) / 2


@dataclass(frozen=True)
class WellSnapshots:
    """Learn from 6 snapshots of 1,000 particles and draw 1,000 at the 5 times between them, and at one beyond.

    anchor_steps, flow_steps: steps of Adam for each snapshot's weights, and for the flow of weights. frozen: the flow is not
    trained and does not move (a broken twin).
    Scores, Wasserstein-1 distances to fresh particles, mean over the times between: `flow`; `flow_beyond`, one spacing beyond the
    last snapshot; `sequential` and `independent`, of straight lines between weights that were fitted in sequence and from
    independent starts; `sequential_anchors` and `independent_anchors`, of these at the snapshots themselves; `transport`, of
    optimal transport between the neighbors; `mixture`, of half of each neighbor; `earlier`, the neighbor before; `floor`, of
    further fresh particles; `shuffled`, of a flow that was trained on the snapshots in another order.
    Ratios: `sequential_ratio`, to `independent`; `anchors_ratio`, of the same at the snapshots; `transport_ratio` and
    `mixture_ratio`, of `flow`; `shuffled_ratio`, to `flow`; `length_ratio`, of the lengths of the paths through independent and
    sequential weights.
    Source: Li, Liu, Wang, Liao and Li, WeightFlow, 2026; the density is a mixture, which needs no network in one dimension.
    """

    particles: int = 1000
    anchor_steps: int = 400
    flow_steps: int = 500
    frozen: bool = False

    def measure(self, run: Run) -> Scores:
        """One draw of particles."""
        rng, generator = run.numpy, run.generator
        seen, fresh, further = (well_particles(self.particles, rng) for _ in range(3))
        times, data = np.array(_TRAINED, dtype=float), torch.from_numpy(seen[list(_TRAINED)])
        weights = {name: anchors(data, name == "sequential", self.anchor_steps, generator) for name in _STARTS}
        flow = self._flow(weights["sequential"], data, times, generator)
        mixed = data[list(_SHUFFLED)]
        other = self._flow(anchors(mixed, True, self.anchor_steps, generator), mixed, times, generator)

        def error(draws: Callable[[int], ndarray], snapshots: range = _BETWEEN) -> float:
            return float(np.mean([distance(draws(k), fresh[k]) for k in snapshots]))

        half = self.particles // 2
        errors = {
            "flow": error(lambda k: sampled(flow.at(k), self.particles, rng)),
            "flow_beyond": error(lambda k: sampled(flow.at(k), self.particles, rng), range(_BEYOND, _BEYOND + 1)),
            "shuffled": error(lambda k: sampled(other.at(k), self.particles, rng)),
            **{
                name: error(lambda k, w=w: sampled(straight(w, times, k), self.particles, rng))  # type: ignore[misc]
                for name, w in weights.items()
            },
            **{
                f"{name}_anchors": error(lambda k, w=w: sampled(straight(w, times, k), self.particles, rng), _TRAINED)  # type: ignore[misc]
                for name, w in weights.items()
            },
            "transport": error(lambda k: transported(seen[k - 1], seen[k + 1])),
            "mixture": error(lambda k: np.concatenate([seen[k - 1, :half], seen[k + 1, half:]])),
            "earlier": error(lambda k: seen[k - 1]),
            "floor": error(lambda k: further[k]),
        }
        length = {name: float(w.diff(dim=0).norm(dim=1).sum()) for name, w in weights.items()}
        ratios = {
            "sequential_ratio": errors["sequential"] / errors["independent"],
            "anchors_ratio": errors["sequential_anchors"] / errors["independent_anchors"],
            "transport_ratio": errors["flow"] / errors["transport"],
            "mixture_ratio": errors["flow"] / errors["mixture"],
            "shuffled_ratio": errors["shuffled"] / errors["flow"],
            "length_ratio": length["independent"] / length["sequential"],
        }
        return Scores(errors | ratios)

    def _flow(
        self, weights: torch.Tensor, data: torch.Tensor, times: ndarray, generator: torch.Generator
    ) -> WeightFlow:
        flow = WeightFlow.fitted(weights, data, times, 0 if self.frozen else self.flow_steps, generator)
        if self.frozen:
            for parameter in flow.network.parameters():
                parameter.data.zero_()
        return flow


_STARTS = ("sequential", "independent")
