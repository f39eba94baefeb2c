"""Predictors without training: from the derivative of a Legendre memory, and by polynomial extrapolation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Count, Range, SearchSpace, Units
from dynamark.tasks.numerics.hippo import legt
from dynamark.tasks.problems import Prediction, Run, Trajectories

__all__ = ["Extrapolation", "Prophecy"]


def _one_step(horizons: tuple[int, ...]) -> None:
    if horizons != (1,):
        raise UserError(f"horizons {horizons}: this method predicts one step ahead only")


@dataclass(frozen=True)
class Prophecy:
    """y^_{t+1} = y_t + dt sum_n sqrt(2n+1) n(n+1) x_n / theta, x' = (A x + B y)/theta the HiPPO-LegT memory of the past.

    The states are Legendre coefficients of the last `window` steps, theta = window dt, and sqrt(2n+1) n(n+1)/theta are the
    derivatives of the basis functions at the end of the window (P_n'(1) = n(n+1)/2). Bilinear discretization; y before the start
    is taken as constant. Zero-order hold of y_t over the step that ends at t shifts the signal by half a step, so the derivative
    is that at t + 1/2 and the prediction a midpoint rule, with error dt^3/4 y''' instead of dt^2/2 y''. Inputs are ignored.
    The alternative B'x, the derivative of the memory, has an error factor that grows like states^2.

    states: order of the memory. window: its length in steps.

    Source: Arangath Joseph et al. 2024, with the memory of Gu et al. 2020.
    key: joseph2024
    """

    states: Annotated[int, Range(1, 1000)] = 64
    window: Count = 128
    from_rest: ClassVar[bool] = True
    search_space: ClassVar[SearchSpace] = {"states": (64, 8, 16, 32), "window": (128, 16, 32, 64)}

    def fit_predictor(self, problem: Prediction, run: Run) -> Prophecy:
        """Returns the method itself: there is no training."""
        return self

    def parameter_count(self) -> int:
        """0: no parameters are fitted."""
        return 0

    def predict(
        self, sequences: Trajectories, horizons: tuple[int, ...] = (1,)
    ) -> Float[Tensor, "horizon trajectory time dim"]:
        """One step ahead; the first value of a sequence is predicted as 0."""
        _one_step(horizons)
        y = sequences.observations
        a, b = legt(self.states)
        n = np.arange(self.states)
        step = 1 / self.window
        left, right = np.eye(self.states) - step / 2 * a, np.eye(self.states) + step / 2 * a
        transition = torch.from_numpy(np.linalg.solve(left, right))
        drive = torch.from_numpy(np.linalg.solve(left, step * b))
        slope = torch.from_numpy(step * b * n * (n + 1))
        x = y.new_zeros(*y[:, 0].shape, self.states)
        x[..., 0] = y[:, 0]  # the coefficients of a constant
        out = torch.zeros_like(y)
        for t in range(y.shape[1] - 1):
            x = x @ transition.T + y[:, t, :, None] * drive
            out[:, t + 1] = y[:, t] + x @ slope
        return out[None]


@dataclass(frozen=True)
class Extrapolation:
    """y^_{t+1} = sum_{i=0}^{degree} (-1)^i C(degree+1, i+1) y_{t-i}: the polynomial through the last degree + 1 values.

    degree: 0 repeats the last value, 1 extrapolates linearly.

    key: hamming1973
    """

    degree: Annotated[int, Range(0, 100)] = 1
    from_rest: ClassVar[bool] = True
    data_units: ClassVar[Units] = "scaled"
    search_space: ClassVar[SearchSpace] = {"degree": (1, 0, 2, 3)}

    def fit_predictor(self, problem: Prediction, run: Run) -> Extrapolation:
        """Returns the method itself: there is no training."""
        return self

    def parameter_count(self) -> int:
        """0: no parameters are fitted."""
        return 0

    def predict(
        self, sequences: Trajectories, horizons: tuple[int, ...] = (1,)
    ) -> Float[Tensor, "horizon trajectory time dim"]:
        """One step ahead; differences that need values before the start are taken as 0."""
        _one_step(horizons)
        y = sequences.observations
        out, difference = torch.zeros_like(y), y
        for k in range(self.degree + 1):
            out[:, k + 1 :] += difference[:, : y.shape[1] - k - 1]
            difference = difference[:, 1:] - difference[:, :-1]
        return out[None]
