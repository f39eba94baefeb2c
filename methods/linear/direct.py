"""Direct linear forecasters: one linear map from a window of each channel to its next values, in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Count, Penalty, SearchSpace
from dynamark.methods.recurrent.forecaster import autonomous
from dynamark.tasks.numerics.least_squares import ridge
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["DirectLinear", "DirectModel", "Form", "features_of", "moving_average"]

Form = Literal["plain", "last", "decomposed"]


@dataclass(frozen=True)
class DirectLinear:
    """(x_{t+1}, ..., x_{t+H}) = f(x_{t-L+1}, ..., x_t) for each channel, f affine; longer forecasts repeat it on its own output.

    last (NLinear): the map of x - x_t, to which x_t is added: it commutes with shifts of the data by a constant.
    decomposed (DLinear): one map of the moving average over `kernel` samples, with the ends repeated, and one of the remainder.
    plain: one map of x. Without a penalty decomposed equals plain, because the moving average is itself a linear map.
    lags: L, at most the context and the length of the training trajectories minus H. horizon: H, at most half of that length.
    individual: one map per channel; otherwise all channels share one. penalty: of the ridge regression, relative to the mean
    square of a feature; the constant is not penalized. A shorter window is padded by repeating its first sample.
    Source: Zeng, Chen, Zhang & Xu 2023, section 4, trained there by gradient descent; in closed form as in Toner & Darlow 2024.
    key: zeng2023
    """

    form: Form = "decomposed"
    lags: Count = 64
    horizon: Count = 16
    kernel: Count = 25
    individual: bool = False
    penalty: Penalty = 1e-6
    search_space: ClassVar[SearchSpace] = {
        "lags": (64, 16, 32, 8),
        "penalty": (1e-6, 1e-3, 1e-1),
        "individual": (False, True),
    }

    def fit_forecaster(self, problem: Forecasting, run: Run) -> DirectModel:
        """One ridge regression over all windows of all trajectories, or one for each channel."""
        x = autonomous(problem).train.observations.double()
        if x.shape[1] < 2:
            raise UserError(f"trajectories of {x.shape[1]} samples are too short: this method needs at least 2")
        horizon = min(self.horizon, x.shape[1] // 2)
        lags = min(self.lags, problem.context, x.shape[1] - horizon)
        windows = x.unfold(1, lags + horizon, 1).permute(2, 0, 1, 3).flatten(1, 2)  # [dim, window, lags + horizon]
        groups = windows if self.individual else windows.flatten(0, 1)[None]
        past, future = groups[..., :lags], groups[..., lags:]
        base = past[..., -1:] if self.form == "last" else torch.zeros_like(past[..., -1:])
        mixing = features_of(self.form, lags, self.kernel)
        mean, target_mean = past.mean(1, keepdim=True), (future - base).mean(1, keepdim=True)
        features = (past - mean) @ mixing
        absolute = self.penalty * features.square().sum((1, 2)) / max(1, features.shape[-1])
        weights = torch.stack(
            [
                ridge(one, target, float(size))
                for one, target, size in zip(features, future - base - target_mean, absolute, strict=True)
            ]
        )
        whole = mixing @ weights
        constant = target_mean[:, 0] - (mean @ whole)[:, 0]
        if self.form == "last":
            whole = whole.index_add(1, torch.tensor([lags - 1]), whole.new_ones(len(whole), 1, horizon))
        return DirectModel(whole, constant, len(weights[0]) * horizon * len(weights) + constant.numel())


def features_of(form: Form, lags: int, kernel: int) -> Float[Tensor, "lags feature"]:
    """The linear map from a window, oldest sample first, to the features of a form."""
    eye = torch.eye(lags, dtype=torch.float64)
    if form == "last":  # the last difference is zero
        differences = eye.clone()
        differences[-1] -= 1.0
        return differences[:, :-1]
    if form == "decomposed":
        trend = moving_average(lags, kernel)
        return torch.cat([trend, eye - trend], dim=1)
    return eye


def moving_average(lags: int, kernel: int) -> Float[Tensor, "lags lags"]:
    """The matrix of the mean over `kernel` samples around each sample, the window extended by its first and last sample."""
    before = (kernel - 1) // 2
    places = (torch.arange(lags)[:, None] + torch.arange(kernel) - before).clamp(0, lags - 1)
    out = torch.zeros(lags, lags, dtype=torch.float64)
    for column, chosen in enumerate(places):
        out[:, column] = torch.bincount(chosen, minlength=lags).double() / kernel
    return out


@dataclass(frozen=True)
class DirectModel:
    """x_{t+1..t+H} = w A + c for each channel, w its window, oldest sample first; A and c are shared if there is one group."""

    weights: Float[Tensor, "group lags horizon"]
    constant: Float[Tensor, "group horizon"]
    parameters_fitted: int

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """Blocks of H values, each from the window of the last observations and forecasts."""
        lags, block = self.weights.shape[1:]
        x = context.observations.double().permute(2, 0, 1)  # [dim, trajectory, time]
        window = torch.cat([x[..., :1].expand(-1, -1, max(0, lags - x.shape[2])), x[..., -lags:]], dim=2)
        blocks = []
        for _ in range(-(-horizon // block)):
            blocks.append(window @ self.weights + self.constant[:, None])
            window = torch.cat([window, blocks[-1]], dim=2)[..., -lags:]
        return torch.cat(blocks, dim=2)[..., :horizon].permute(1, 2, 0)

    def parameter_count(self) -> int:
        """The fitted coefficients and constants."""
        return self.parameters_fitted
