"""Feature maps of online learners: the banks of the linear room, applied to what has been revealed so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.errors import unknown
from dynamark.methods.fields import Order, Range
from dynamark.methods.linear import banks
from dynamark.tasks.numerics.spectral_filters import spectral_filters
from dynamark.tasks.problems import Online

__all__ = ["FeatureMap", "Features", "Stream"]

Features = Literal["arx", "fir", "spectral", "spectral_both", "spectral_arx", "poles"]


@dataclass(frozen=True)
class FeatureMap:
    """Which features z_t an online learner regresses on.

    features: `arx` (inputs u_t .. u_{t-order}, outputs y_{t-1} .. y_{t-order}), `fir` (its inputs only); `spectral` (three
        taps and `filters` spectral filters of the inputs), `spectral_both` (with the mirrored ones), `spectral_arx` (of past
        outputs too); `poles` (`filters` real poles of the inputs).
    """

    features: Features = "arx"
    order: Order = 12
    filters: Annotated[int, Range(1, 500)] = 20

    # Spectral filters times s_j^{1/4}, as first-order learners need them.
    _scaled = False

    def stream(self, problem: Online) -> Stream:
        """The empty stream of a problem, filters as long as its horizon."""
        length = problem.horizon
        inputs, outputs = self._banks(length)
        return Stream(problem, inputs if problem.channels else inputs[:, :0], outputs)

    def _banks(self, length: int) -> tuple[Tensor, Tensor]:
        """The banks of inputs and of past outputs."""
        nothing = torch.zeros(1, 0, dtype=torch.float64)
        if self.features == "arx":
            return banks.taps(self.order + 1, self.order + 1), banks.taps(self.order, self.order)
        if self.features == "fir":
            return banks.taps(self.order + 1, self.order + 1), nothing
        if self.features == "poles":
            return banks.poles(length, self.filters), nothing
        if self.features not in ("spectral", "spectral_both", "spectral_arx"):
            raise unknown(
                "feature map", self.features, ["arx", "fir", "poles", "spectral", "spectral_arx", "spectral_both"]
            )
        both = self.features == "spectral_both"
        filters = banks.spectral(length, self.filters, both)
        if self._scaled:
            scale = spectral_filters(length, self.filters)[0] ** 0.25
            filters = filters * torch.cat([scale, scale] if both else [scale])
        bank = torch.cat([banks.taps(length, 3), filters], dim=1)
        return bank, bank if self.features == "spectral_arx" else nothing


class Stream:
    """What has been revealed of some sequences, and the features made of it: O(lags * filters) a step."""

    def __init__(
        self, problem: Online, inputs: Float[Tensor, "lag filter"], outputs: Float[Tensor, "past other"]
    ) -> None:
        self.problem, self.inputs, self.outputs = problem, inputs.flip(0), outputs.flip(0)
        self.size = problem.channels * inputs.shape[1] + problem.dim * outputs.shape[1]
        self.time = 0
        self._u: Tensor | None = None
        self._y: Tensor | None = None

    def features(self, u: Float[Tensor, "sequence channel"]) -> Float[Tensor, "sequence feature"]:
        """z_t from inputs up to this one and outputs before it."""
        if self._u is None or self._y is None:
            # Zeros before the start, one bank long: then every window has the same length.
            self._u = u.new_zeros(len(u), len(self.inputs) + self.problem.horizon, u.shape[1])
            self._y = u.new_zeros(len(u), len(self.outputs) + self.problem.horizon, self.problem.dim)
        self._u[:, len(self.inputs) + self.time] = u
        parts = [
            torch.einsum("nlc,lf->ncf", past[:, end - len(bank) : end], bank).flatten(1)
            for past, bank, end in (
                (self._u, self.inputs, len(self.inputs) + self.time + 1),
                (self._y, self.outputs, len(self.outputs) + self.time),
            )
            if bank.shape[1]
        ]
        return torch.cat(parts, dim=1)

    def reveal(self, y: Float[Tensor, "sequence dim"]) -> None:
        """The output of the step whose features were asked last."""
        assert self._y is not None
        self._y[:, len(self.outputs) + self.time] = y
        self.time += 1
