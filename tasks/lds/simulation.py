"""Open-loop simulation: prediction of outputs from inputs only."""

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
    """Predict y_t from u_{<=t}: a forecast from rest, with an empty context. Primary score: nmse of the noise-free output.

    A second rollout gives the response to a unit impulse in each input channel, from which the errors of the Markov parameters
    and of the poles and the memory length are computed. For a nonlinear model these describe its response to a unit impulse only.
    """

    kind: ClassVar[type] = Forecasting
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("nmse", about="mean squared error / mean square of the noise-free output, after the burn-in"),
        Metric("nmse_late", about="nmse over the last quarter of the steps"),
        Metric("markov_err", about="relative Frobenius error of the impulse response"),
        Metric(
            "population_nmse",
            about="expected nmse for white inputs, computed from the impulse response, without burn-in",
        ),
        Metric("memory_ratio", about="number of lags with 99 % of the impulse response's energy / the true number"),
        Metric(
            "spec_err",
            about="mean distance between realized and true poles, weighted by their contribution to the output",
        ),
    )

    @property
    def floor(self) -> float:
        """`NMSE_FLOOR`: smaller errors are rounding errors."""
        return NMSE_FLOOR

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Inputs and outputs of each part, and the true impulse response `markov`."""
        system = self.system(seed)
        return {**self.sequences(system, seed), "markov": system.markov(self.length)}

    def problem(self, seed: int) -> Forecasting:
        """Training sequences; the query: outputs for test inputs and for unit impulses."""
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
        """Errors of the simulation and of the impulse response."""
        data = self.data(seed)
        clean, g = data["test.clean"], data["markov"]
        answer = bounded(solution["forecast.simulation"], clean.shape)
        response = bounded(solution["forecast.impulse"], (self.channels, self.length, self.dim)).transpose(1, 2, 0)
        error, late = answer - clean, 3 * self.length // 4
        weight = (self.length - np.arange(self.length))[:, None, None]
        values = {
            "nmse": relative(error[:, self.burn_in :], clean[:, self.burn_in :]),
            "nmse_late": relative(error[:, late:], clean[:, late:]),
            "markov_err": float(np.linalg.norm(response - g) / np.linalg.norm(g)),
            "population_nmse": float(np.sum(weight * (response - g) ** 2) / np.sum(weight * g**2)),
            "memory_ratio": _memory(response) / _memory(g),
        }
        if (true := modes(self.system(seed))) is not None:
            values["spec_err"] = spectral_error(*true, realized_poles(response, self.order))
        by_time = np.mean(error**2, axis=(0, 2)) / np.mean(clean**2)
        return Scores(values, (Curve("nmse_by_time", np.arange(self.length), by_time),))

    def baseline(self, seed: int) -> float:
        """The error of predicting 0: 1 by definition."""
        clean = self.data(seed)["test.clean"][:, self.burn_in :]
        return relative(clean, clean)

    def oracle(self, seed: int) -> float:
        """0, the error of the true impulse response."""
        return 0.0


def _memory(g: ndarray) -> float:
    """The smallest number of lags with 99 % of sum |G_i|^2."""
    energy = np.cumsum(np.sum(g**2, axis=(1, 2)))
    return float(np.searchsorted(energy, 0.99 * energy[-1]) + 1)
