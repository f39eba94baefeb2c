"""The adapter between pretrained univariate forecasters and forecasting problems: channels, rolling, quantiles, draws."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Count, Units
from dynamark.methods.recurrent.forecaster import autonomous
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["Backbone", "Leak", "Pretrained", "ZeroShotModel"]

# What of a task the pretraining data may have contained, as stated by whoever adds the row.
Leak = Literal["none", "system family", "same parameters", "unknown"]


# The levels of the quantiles to take, for an array of this shape.
Levels = Callable[[tuple[int, int]], Tensor]


@runtime_checkable
class Backbone(Protocol):
    """A pretrained model of one channel."""

    @property
    def levels(self) -> tuple[float, ...]:
        """Its quantile levels in ascending order; (0.5,) for a point forecast."""

    def quantiles(self, series: Float[Tensor, "series time"], horizon: int) -> Float[Tensor, "series horizon quantile"]:
        """The quantiles of the next `horizon` values."""

    def parameter_count(self) -> int:
        """The number of weights."""


@dataclass(frozen=True)
class Pretrained(ABC):
    """x_{t+1..t+h} from the last `window` values of each channel, by a model whose weights are fixed.

    The training and validation data of the problem are not used: the model sees the context of each query, no more. Each channel
    is one series. Beyond `stride` values the forecast is rolled: medians are appended to the context.

    weights: path of the weights on this machine. Nothing is downloaded.
    name, revision, license: of the model, as in its model card. leak: what of the task its training data may have contained.
    window: length of the context that the model sees, at most. stride: values per call of the model.
    """

    weights: str = ""
    name: str = ""
    revision: str = ""
    license: str = ""
    leak: Leak = "unknown"
    window: Count = 2048
    stride: Count = 64
    zero_shot: ClassVar[bool] = True
    data_units: ClassVar[Units] = "raw"  # the model scales each context itself

    @abstractmethod
    def backbone(self, path: Path, device: torch.device) -> Backbone:
        """Load the model from a path that exists."""

    def fit_forecaster(self, problem: Forecasting, run: Run) -> ZeroShotModel:
        """Load the weights. The data of the problem is not read."""
        autonomous(problem)
        path = Path(self.weights).expanduser()
        if not self.weights or not path.exists():
            shown = f"the weights '{self.weights}' do not exist" if self.weights else "no weights are given"
            raise UserError(f"{shown}; give weights='PATH' of a file or folder on this machine (docs/zero-shot.md)")
        return ZeroShotModel(self.backbone(path, run.device), self.window, self.stride)


@dataclass(frozen=True)
class ZeroShotModel:
    """A backbone that continues every channel of a context on its own."""

    model: Backbone
    window: int
    stride: int

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The medians, rolled."""
        series = _channels(context)
        middle = torch.full((1,), 0.5, dtype=torch.float64)
        return _trajectories(self._rolled(series, horizon, lambda shape: middle.expand(shape)), len(context))

    def sample(
        self,
        context: Trajectories,
        horizon: int,
        draws: int,
        generator: torch.Generator,
        inputs: Float[Tensor, "trajectory horizon channel"] | None = None,
    ) -> Float[Tensor, "trajectory draw horizon dim"]:
        """Draws of each value from its own quantiles by linear interpolation; below the lowest and above the highest none."""
        series = _channels(context).repeat_interleave(draws, dim=0)

        def uniform(shape: tuple[int, int]) -> Tensor:
            return torch.rand(shape, generator=generator, dtype=torch.float64)

        paths = self._rolled(series, horizon, uniform)  # trajectory by trajectory, channel by channel, draw by draw
        return paths.reshape(len(context), -1, draws, horizon).permute(0, 2, 3, 1)

    def _rolled(self, series: Tensor, horizon: int, levels: Levels) -> Float[Tensor, "series horizon"]:
        out = series.new_empty(len(series), 0)
        while out.shape[1] < horizon:
            steps = min(self.stride, horizon - out.shape[1])
            seen = torch.cat([series, out], dim=1)[:, -self.window :]
            with torch.no_grad():
                quantiles = self.model.quantiles(seen, steps).double().cpu()
            drawn = interpolated(quantiles, self.model.levels, levels((len(series), steps)))
            out = torch.cat([out, drawn], dim=1)
        return out

    def parameter_count(self) -> int:
        """The number of weights, none of which was trained here."""
        return self.model.parameter_count()


def _channels(context: Trajectories) -> Float[Tensor, "series time"]:
    """Every channel of every trajectory as a series: trajectory by trajectory."""
    return context.observations.double().cpu().transpose(1, 2).flatten(0, 1)


def _trajectories(series: Float[Tensor, "series horizon"], count: int) -> Float[Tensor, "trajectory horizon dim"]:
    return series.reshape(count, -1, series.shape[1]).transpose(1, 2)


def interpolated(
    quantiles: Float[Tensor, "series horizon quantile"], levels: tuple[float, ...], at: Float[Tensor, "series horizon"]
) -> Float[Tensor, "series horizon"]:
    """The quantile function at the levels `at`, linear between the known levels and constant beyond them."""
    known = torch.tensor(levels, dtype=quantiles.dtype)
    ordered = quantiles.sort(dim=-1).values  # a network may let them cross
    if len(levels) == 1:
        return ordered[..., 0]
    at = at.clamp(known[0], known[-1]).contiguous()
    above = torch.searchsorted(known, at).clamp(1, len(levels) - 1)
    low, high = known[above - 1], known[above]
    share = (at - low) / (high - low)
    below_value, above_value = (ordered.gather(-1, k[..., None])[..., 0] for k in (above - 1, above))
    return below_value + share * (above_value - below_value)
