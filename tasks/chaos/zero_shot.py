"""The zero-shot track: one context of a chaotic flow, and nothing else, is continued."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy import ndarray

from dynamark.errors import UserError, unknown
from dynamark.tasks.base import Curve, Metric, Scores, Solution, Task
from dynamark.tasks.chaos import metrics
from dynamark.tasks.chaos.flows import FLOWS
from dynamark.tasks.chaos.smape import smape, smape_valid_time
from dynamark.tasks.chaos.systems import LORENZ63, ROSSLER, System, orbits
from dynamark.tasks.problems import Forecasting, ForecastingQuery, Rollout, Trajectories

__all__ = ["ZeroShot"]

_CLASSIC = {"lorenz63": LORENZ63, "rossler": ROSSLER}
# Horizon of the short forecast in Lyapunov times, orbits whose median distance is the floor of D_stsp, and the largest dimension.
_HORIZON, _REFERENCES, _DIM = 10, 5, 3


@dataclass(frozen=True, kw_only=True)
class ZeroShot(Task):
    """Continue x' = f(x) from one context of `context` samples, the only data there is.

    Pretrained forecasters see the context and are not trained. Methods that are trained are trained on the same context, which is
    given as training data, with its last quarter as validation data: nobody sees more than the context. Data is in raw units.
    flow: lorenz63, rossler, or a flow of `chaos/flows` with three coordinates. stride: of the samples of the flow every so manyth
    is kept; 3 leaves about 30 per mean period. free: samples of the free run, whose first fifth is discarded.
    Primary score: the valid time of the running symmetric percentage error, in Lyapunov times. Source of the scores: Gilpin 2023.

    key: ansari2024
    """

    flow: str = "lorenz63"
    context: int = 512
    stride: int = 3
    free: int = 5000

    kind: ClassVar[type] = Forecasting
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"free": 1000},
        "standard": {},
        "large": {"free": 20_000},
    }
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "smape_valid_time",
            "Lyapunov time",
            lower_is_better=False,
            about="time until the running symmetric percentage error exceeds 30",
        ),
        Metric("valid_time", "Lyapunov time", lower_is_better=False, about="time until the error exceeds 0.4 sd"),
        Metric("smape", "%", about="symmetric percentage error over one Lyapunov time"),
        Metric("d_stsp", "nat", about="KL divergence of state-space occupancy of the free run"),
        Metric("d_stsp_floor", "nat", about="d_stsp between independent true orbits, median of five"),
    )
    log_scale: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.flow not in _CLASSIC and self.flow not in FLOWS:
            raise unknown("flow", self.flow, [*_CLASSIC, *FLOWS])
        if self.system.dim > _DIM:
            raise UserError(f"flow '{self.flow}' has {self.system.dim} coordinates; choose one with at most {_DIM}")

    @property
    def system(self) -> System:
        """The flow with its sampling, before samples are left out."""
        return _CLASSIC[self.flow] if self.flow in _CLASSIC else FLOWS[self.flow].system

    @property
    def dt(self) -> float:
        """The time between two samples, in Lyapunov times."""
        return self.system.dt * self.stride / self.system.unit

    @property
    def horizon(self) -> int:
        """Samples of the short forecast."""
        return round(_HORIZON / self.dt)

    def generate(self, seed: int) -> dict[str, ndarray]:
        """One orbit of a context and what follows, and long orbits for the divergence."""
        groups = {
            "orbit": (1, (self.context + self.horizon) * self.stride),
            "references": (1 + _REFERENCES, self.free * self.stride),
        }
        data = orbits(self.system, groups, self.rng(seed))
        return {name: np.ascontiguousarray(x[:, :: self.stride]) for name, x in data.items()}

    def problem(self, seed: int) -> Forecasting:
        """The context as training data, its last quarter as validation data, and the query to continue it."""
        context = self.data(seed)["orbit"][:, : self.context]
        query = ForecastingQuery(
            {
                "short": Rollout(self._paths(context), self.horizon),
                "long": Rollout(self._paths(context), self.free * 5 // 4),
            }
        )
        last = context[:, -max(self.context // 4, 2) :]
        return Forecasting(self._paths(context), self._paths(last), self.context, query)

    def _paths(self, x: ndarray) -> Trajectories:
        return Trajectories(torch.from_numpy(np.array(x)), dt=self.system.dt * self.stride)

    def score(self, solution: Solution, seed: int) -> Scores:
        """Scores of the short forecast and the divergence of the free run; a free run that is not finite counts as constant."""
        data = self.data(seed)
        truth = data["orbit"][:, self.context :]
        forecast = solution["forecast.short"].astype(float)
        test = data["references"][0]
        variance = float(np.sum(test.var(axis=0)))
        free = solution["forecast.long"][0, -self.free :].astype(float)
        if not np.isfinite(free).all():
            free = np.zeros_like(test) + test.mean(axis=0)
        one = round(1 / self.dt)
        error = smape(truth, forecast)
        values = {
            "smape_valid_time": float(smape_valid_time(truth, forecast, self.dt)[0]),
            "valid_time": float(metrics.valid_time(truth, forecast, variance, self.dt)[0]),
            "smape": float(error[:, :one].mean()),
            "d_stsp": max(metrics.state_space_divergence(test, free), _floor(self, seed) / 10),
            "d_stsp_floor": _floor(self, seed),
        }
        time = (1 + np.arange(self.horizon)) * self.dt
        return Scores(values, (Curve("smape_by_lyapunov_time", time, error[0]),))

    def baseline(self, seed: int) -> float:
        """The last observation, repeated."""
        orbit = self.data(seed)["orbit"]
        last = np.repeat(orbit[:, self.context - 1 : self.context], self.horizon, axis=1)
        return float(smape_valid_time(orbit[:, self.context :], last, self.dt)[0])

    def oracle(self, seed: int) -> float:
        """The exact flow, which is valid over the whole horizon."""
        return self.horizon * self.dt


@functools.lru_cache(maxsize=64)
def _floor(task: ZeroShot, seed: int) -> float:
    """The median D_stsp of independent true orbits."""
    test, *others = task.data(seed)["references"]
    return float(np.median([metrics.state_space_divergence(test, x) for x in others]))
