"""Open-loop simulation: outputs from inputs alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy import ndarray

from dynamark.tasks.base import Curve, Metric, Scores, Solution
from dynamark.tasks.lds.base import NMSE_FLOOR, LinearSystemTask, bounded, relative
from dynamark.tasks.lds.spectral import modes, realized_poles, spectral_error
from dynamark.tasks.problems import Forecasting, ForecastingQuery, Rollout, Trajectories

__all__ = ["Simulation"]


@dataclass(frozen=True, kw_only=True)
class Simulation(LinearSystemTask):
    """Predict y_t from u_{<=t}: a forecast from rest, with an empty context. Primary score: nmse of the clean output.

    A second rollout asks for the response to a unit impulse of each input, whence the error of the Markov parameters and the
    length of the model's memory (of a model that is not linear: of its response to this very input).
    """

    kind: ClassVar[type] = Forecasting
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("nmse", about="squared error of the clean output over its power, after the burn-in"),
        Metric("nmse_late", about="the same over the last quarter"),
        Metric("markov_err", about="relative Frobenius error of the impulse response"),
        Metric("population_nmse", about="nmse expected over white inputs, from the impulse response, no burn-in"),
        Metric("memory_ratio", about="lags that hold 99 % of the impulse response's energy, over the true number"),
        Metric(
            "spec_err", about="mean distance of the realized poles to the true ones, weighted by their contribution"
        ),
    )

    @property
    def floor(self) -> float:
        """Below is rounding."""
        return NMSE_FLOOR

    def generate(self, seed: int) -> dict[str, ndarray]:
        """The sequences and the true impulse response."""
        system = self.system(seed)
        return {**self.sequences(system, seed), "markov": system.markov(self.length)}

    def problem(self, seed: int) -> Forecasting:
        """Inputs and outputs to learn from; test inputs and unit impulses to answer."""
        impulses = torch.zeros(self.channels, self.length, self.channels, dtype=torch.float64)
        impulses[:, 0] = torch.eye(self.channels)
        query = ForecastingQuery(
            {
                "simulation": self._from_rest(torch.from_numpy(self.data(seed)["test.u"].copy())),
                "impulse": self._from_rest(impulses),
            }
        )
        return Forecasting(self.paths(seed, "train"), self.paths(seed, "validation"), context=0, query=query)

    def _from_rest(self, u: torch.Tensor) -> Rollout:
        empty = Trajectories(u.new_zeros(len(u), 0, self.dim), u[:, :0])
        return Rollout(empty, self.length, u)

    def score(self, solution: Solution, seed: int) -> Scores:
        """Errors of the simulation, and of the impulse response."""
        data = self.data(seed)
        clean, g = data["test.clean"], data["markov"]
        answer = bounded(solution["forecast.simulation"], clean.shape)
        found = bounded(solution["forecast.impulse"], (self.channels, self.length, self.dim)).transpose(1, 2, 0)
        error, late = answer - clean, 3 * self.length // 4
        weight = (self.length - np.arange(self.length))[:, None, None]
        values = {
            "nmse": relative(error[:, self.burn_in :], clean[:, self.burn_in :]),
            "nmse_late": relative(error[:, late:], clean[:, late:]),
            "markov_err": float(np.linalg.norm(found - g) / np.linalg.norm(g)),
            "population_nmse": float(np.sum(weight * (found - g) ** 2) / np.sum(weight * g**2)),
            "memory_ratio": _memory(found) / _memory(g),
        }
        if (true := modes(self.system(seed))) is not None:
            values["spec_err"] = spectral_error(*true, realized_poles(found, self.order))
        by_time = np.mean(error**2, axis=(0, 2)) / np.mean(clean**2)
        return Scores(values, (Curve("nmse_by_time", np.arange(self.length), by_time),))

    def baseline(self, seed: int) -> float:
        """The error of predicting 0: 1 by definition."""
        clean = self.data(seed)["test.clean"][:, self.burn_in :]
        return relative(clean, clean)

    def oracle(self, seed: int) -> float:
        """The true impulse response leaves no error."""
        return 0.0


def _memory(g: ndarray) -> float:
    """The smallest number of lags that hold 99 % of sum |G_i|^2."""
    energy = np.cumsum(np.sum(g**2, axis=(1, 2)))
    return float(np.searchsorted(energy, 0.99 * energy[-1]) + 1)
