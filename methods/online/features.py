"""Feature maps of online learners: the filter banks of `methods/linear`, applied to past inputs and outputs."""

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
    """The features z_t of an online linear regression.

    features: `arx` (inputs u_t .. u_{t-order}, outputs y_{t-1} .. y_{t-order}), `fir` (inputs only); `spectral` (inputs
        through three taps and `filters` spectral filters), `spectral_both` (also filters for negative poles), `spectral_arx`
        (past outputs too); `poles` (inputs through `filters` real poles).
    """

    features: Features = "arx"
    order: Order = 12
    filters: Annotated[int, Range(1, 500)] = 20

    # Whether spectral filters are scaled by s_j^{1/4}, for first-order learners.
    _scaled = False

    def stream(self, problem: Online) -> Stream:
        """An empty stream for a problem, with filters as long as its horizon."""
        length = problem.horizon
        inputs, outputs = self._banks(length)
        return Stream(problem, inputs if problem.channels else inputs[:, :0], outputs)

    def _banks(self, length: int) -> tuple[Tensor, Tensor]:
        """Filter banks of inputs and of past outputs."""
        no_filters = torch.zeros(1, 0, dtype=torch.float64)
        if self.features == "arx":
            return banks.taps(self.order + 1, self.order + 1), banks.taps(self.order, self.order)
        if self.features == "fir":
            return banks.taps(self.order + 1, self.order + 1), no_filters
        if self.features == "poles":
            return banks.poles(length, self.filters), no_filters
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
        return bank, bank if self.features == "spectral_arx" else no_filters


class Stream:
    """Past inputs and outputs of a batch of sequences, and their features: O(lags * filters) per step."""

    def __init__(
        self, problem: Online, inputs: Float[Tensor, "lag filter"], outputs: Float[Tensor, "past other"]
    ) -> None:
        self.problem, self.inputs, self.outputs = problem, inputs.flip(0), outputs.flip(0)
        self.size = problem.channels * inputs.shape[1] + problem.dim * outputs.shape[1]
        self.time = 0
        self._u: Tensor | None = None
        self._y: Tensor | None = None

    def features(self, u: Float[Tensor, "sequence channel"]) -> Float[Tensor, "sequence feature"]:
        """z_t from the inputs up to step t, u being the current one, and the outputs before t."""
        if self._u is None or self._y is None:
            # Zero padding by the length of a bank before the start: all windows have the same length.
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
        """Append the output of the current step."""
        assert self._y is not None
        self._y[:, len(self.outputs) + self.time] = y
        self.time += 1
