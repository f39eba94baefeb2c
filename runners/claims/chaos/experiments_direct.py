"""Direct linear forecasters against independent least squares: what decomposition and the last value change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from dynamark.methods.fields import Count, Penalty
from dynamark.methods.linear.direct import DirectLinear, DirectModel, Form
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["DirectLinearForms"]


@dataclass(frozen=True)
class DirectLinearForms:
    """x_{t+1} = 1.6 x_t - 0.8 x_{t-1} + xi about a mean: the maps of three forms, and forecasts after a shift of the data.

    plain_gap: largest difference of the weights of the decomposed form and of linear regression with a constant, solved by NumPy.
    last_gap: of the last form and of regression with weights that sum to one, solved by Lagrange's conditions.
    last_shift, plain_shift: largest change of a forecast, minus the shift, when all of a context is shifted by `shift`.
    between: largest difference of the weights of linear regression with and without the constraint.
    Source: Toner & Darlow 2024, section 4.
    """

    lags: Count = 30
    horizon: Count = 8
    samples: Count = 2000
    kernel: Count = 25
    penalty: Penalty = 0.0
    shift: float = 5.0

    def measure(self, run: Run) -> Scores:
        """Three fits, two independent solutions and two pairs of forecasts."""
        x = _series(self.samples, run.numpy)
        models = {form: self._fitted(form, x) for form in ("plain", "last", "decomposed")}
        past, future = np.split(np.lib.stride_tricks.sliding_window_view(x, self.lags + self.horizon), [self.lags], 1)
        free, tied = _regression(past, future, tied=False), _regression(past, future, tied=True)
        shifts = {}
        for form in ("last", "plain"):
            context = torch.from_numpy(x[None, -2 * self.lags :, None].copy())
            here, there = (
                models[form].forecast(Trajectories(context + by), 3 * self.horizon) for by in (0.0, self.shift)
            )
            shifts[f"{form}_shift"] = float((there - self.shift - here).abs().max())
        return Scores(
            {
                "plain_gap": float(np.abs(models["decomposed"].weights[0].numpy() - free).max()),
                "last_gap": float(np.abs(models["last"].weights[0].numpy() - tied).max()),
                "between": float(np.abs(free - tied).max()),
                **shifts,
            }
        )

    def _fitted(self, form: Form, x: Float[ndarray, " time"]) -> DirectModel:
        method = DirectLinear(form, self.lags, self.horizon, self.kernel, penalty=self.penalty)
        paths = Trajectories(torch.from_numpy(x[None, :, None].copy()))
        return method.fit_forecaster(Forecasting(paths, paths, self.lags), Run())


def _series(samples: int, rng: np.random.Generator) -> Float[ndarray, " time"]:
    """The recurrence after a transient, about the mean 2."""
    noise, out = rng.standard_normal(samples + 100), np.zeros(samples + 102)
    for t, kick in enumerate(noise):
        out[t + 2] = 1.6 * out[t + 1] - 0.8 * out[t] + kick
    return 2.0 + out[102:]


def _regression(
    past: Float[ndarray, "window lag"], future: Float[ndarray, "window step"], tied: bool
) -> Float[ndarray, "lag step"]:
    """The weights of least squares with a constant; tied: with weights that sum to one, by Lagrange's conditions."""
    design = np.column_stack([past, np.ones(len(past))])
    if not tied:
        return np.linalg.lstsq(design, future, rcond=None)[0][:-1]
    ones = np.append(np.ones(past.shape[1]), 0.0)
    conditions = np.block([[design.T @ design, ones[:, None]], [ones[None], np.zeros((1, 1))]])
    right = np.vstack([design.T @ future, np.ones((1, future.shape[1]))])
    return np.asarray(np.linalg.solve(conditions, right)[:-2])
