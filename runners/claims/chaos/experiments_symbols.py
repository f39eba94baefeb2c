"""The symbolic code of almost-linear networks: regions, what follows what, fixed points; and what a figure of them needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy import ndarray

from dynamark.methods.recurrent.alrnn import AlmostLinearModel, AlmostLinearRNN
from dynamark.methods.recurrent.symbolic import occupation, share_count
from dynamark.tasks.base import Curve, Scores
from dynamark.tasks.chaos.systems import LORENZ63, ROSSLER, System, orbits
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["SymbolicGraph", "followers"]

SYSTEMS: dict[str, System] = {"lorenz63": LORENZ63, "rossler": ROSSLER}
# Steps before the free run that is coded; points of a region in the figure, regions drawn, and digits.
_TRANSIENT, _POINTS, _REGIONS, _DIGITS = 2000, 400, 12, 4


@dataclass(frozen=True)
class SymbolicGraph:
    """Almost-linear networks trained on one noisy trajectory, and the code of their free runs.

    members: networks, all on the same data. steps: length of a free run. The figure shows the one whose last training losses
    were the least; the scores look at all whose three most visited regions hold 90 % of the time, and are their worst values.
    Curves of that network: `region_<code>`, points (first, last coordinate) of the free run in a region; `region_occupation`,
    share of time over code; `symbolic_graph`, the probability that region j follows region i over the number i 2^P + j;
    `fixed_points`, first and last coordinate of the fixed points that lie in their own, visited region.
    """

    system: Literal["lorenz63", "rossler"] = "lorenz63"
    rectified: int = 2
    interval: int = 16
    window: int = 200
    rate: float = 1e-3
    updates: int = 100_000
    members: int = 4
    train: int = 100_000
    noise: float = 0.05
    steps: int = 50_000

    def measure(self, run: Run) -> Scores:
        """Places of the regions along the first coordinate, their fixed points, and what follows what."""
        system = SYSTEMS[self.system]
        clean = orbits(system, {"train": (1, self.train)}, run.numpy)["train"]
        clean = (clean - clean.mean(axis=(0, 1))) / clean.std(axis=(0, 1))
        noisy = Trajectories(
            torch.from_numpy(clean + self.noise * run.numpy.standard_normal(clean.shape)), dt=system.dt
        )
        method = AlmostLinearRNN(
            rectified=self.rectified,
            interval=self.interval,
            window=self.window,
            rate=self.rate,
            updates=self.updates,
        )
        runs = [Run([*run.entropy, i]) for i in range(self.members)]
        models = method.fit_forecasters([Forecasting(noisy, noisy)] * self.members, runs)
        codes = [_Code(model, Trajectories(torch.from_numpy(clean[:, :1])), self.steps) for model in models]
        losses = [np.mean([value for _, value in own.curves["training_loss"][-5:]]) for own in runs]
        shown = codes[int(np.argmin(losses))]
        triples = [code for code in codes if code.alive and share_count(code.symbols) == 3]
        scores = {
            "members_of_three": float(len(triples)),
            "regions": float(len(shown.shares)),
            "regions_90": float(share_count(shown.symbols)),
        }
        places = [place for place in map(_Code.wings, triples) if place is not None]
        scores["graphs_with_wings"] = float(len(places))
        if places:
            scores |= {
                "low_wing": max(p[0] for p in places),
                "high_wing": min(p[1] for p in places),
                "center": max(abs(p[2]) for p in places),
                "least_radius": min(code.least_radius() for code in triples),
                "real_points": min(code.real_points() for code in triples),
            }
        return Scores(scores, shown.curves() if shown.alive else ())


class _Code:
    """The code of a free run of a network."""

    def __init__(self, model: AlmostLinearModel, context: Trajectories, steps: int) -> None:
        self.model = model
        self.states = model.walk(model.initial_state(context), _TRANSIENT + steps, len(model.a))[0, _TRANSIENT:]
        self.alive = bool(torch.isfinite(self.states).all()) and float(self.states.abs().max()) < 1e3
        self.symbols: ndarray = model.code(self.states).numpy()
        self.shares = occupation(self.symbols)

    def wings(self) -> tuple[float, float, float] | None:
        """Mean first coordinates of the two of the three main regions that never follow each other, and of the third."""
        first = self.states[:, 0].numpy()
        places = {code: float(first[self.symbols == code].mean()) for code in list(self.shares)[:3]}
        after = followers(self.symbols)
        for center in places:
            one, two = sorted((code for code in places if code != center), key=places.__getitem__)
            if (one, two) not in after and (two, one) not in after:
                return places[one], places[two], places[center]
        return None

    def _points(self) -> tuple[ndarray, ndarray, ndarray]:
        """Fixed points of the three main regions, whether they lie in their own, and the spectral radii there."""
        points, bits = self.model.fixed_points()
        main = list(self.shares)[:3]
        linear = len(self.model.a) - self.model.rectified
        real = ((points[:, linear:] > 0).double() == bits).all(-1)
        radius = torch.linalg.eigvals(self.model.pieces(bits[main])).abs().amax(-1)
        return points[main].numpy(), real[main].numpy(), radius.numpy()

    def least_radius(self) -> float:
        """The least spectral radius in the three main regions."""
        return float(self._points()[2].min())

    def real_points(self) -> float:
        """How many of the three main regions hold their own fixed point."""
        return float(self._points()[1].sum())

    def curves(self) -> tuple[Curve, ...]:
        """The points of each region, the graph of transitions and the shares of time, for the figure of the page."""
        plane = np.round(self.states[:, [0, self.model.start.shape[1] - 1]].numpy(), _DIGITS)
        main = list(self.shares)[:_REGIONS]
        drawn = []
        for code in main:
            own = plane[self.symbols == code]
            own = own[:: max(1, len(own) // _POINTS)]
            drawn.append(Curve(f"region_{code}", own[:, 0], own[:, 1], _POINTS))
        after = followers(self.symbols)
        size = 2**self.model.rectified
        edges = {i * size + j: share for (i, j), share in after.items() if i in main and j in main}
        numbers = np.array(sorted(edges))
        graph = Curve("symbolic_graph", numbers, np.array([edges[n] for n in numbers]), len(main) ** 2)
        shares = Curve("region_occupation", np.array(main), np.array([self.shares[code] for code in main]))
        points, real, _ = self._points()
        at = points[real][:, [0, self.model.start.shape[1] - 1]]
        return (*drawn, shares, graph, Curve("fixed_points", at[:, 0], at[:, 1]))


def followers(symbols: ndarray) -> dict[tuple[int, int], float]:
    """The probability that region j comes next in region i, itself among them."""
    pairs, count = np.unique(np.stack([symbols[:-1], symbols[1:]]), axis=1, return_counts=True)
    total = {int(i): float(count[pairs[0] == i].sum()) for i in np.unique(pairs[0])}
    return {(int(i), int(j)): float(n) / total[int(i)] for (i, j), n in zip(pairs.T, count, strict=True)}
