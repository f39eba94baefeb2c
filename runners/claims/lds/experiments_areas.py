"""Iterated sums of Brownian paths from the states of random linear controlled differential equations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from dynamark.methods.sequence.controlled import KINDS_OF_MAPS, Maps
from dynamark.methods.sequence.structures import STRUCTURES
from dynamark.tasks.base import Scores
from dynamark.tasks.numerics.least_squares import validated_ridge
from dynamark.tasks.problems import Run

__all__ = ["STRUCTURED", "LevyArea", "ends", "iterated_sum"]

# The transition matrices by name: their kind in `Maps`, and the size of blocks.
STRUCTURED = {
    "diag": ("diag", 1),
    "block2": ("block", 2),
    "block4": ("block", 4),
    "wh": ("wh", 1),
    "dense": ("dense", 1),
}

_PENALTIES = tuple(10.0**k for k in range(-14, 1))


def iterated_sum(steps: Float[ndarray, "path time channel"], word: Sequence[int]) -> Float[ndarray, " path"]:
    """S(i_1, .., i_k) = sum over t_1 < .. < t_k of dw^{i_1}_{t_1} .. dw^{i_k}_{t_k}: left-point (Ito) sums."""
    before = np.ones(steps.shape[:2])
    for place, letter in enumerate(word):
        terms = before * steps[..., letter]
        if place == len(word) - 1:
            return np.asarray(terms.sum(axis=1))
        before = np.cumsum(terms, axis=1) - terms
    raise ValueError("a word has at least one letter")


def ends(
    maps: Maps,
    steps: Float[Tensor, "path time channel"],
    start: Float[Tensor, "path state"],
    force: Tensor | None = None,
) -> Float[Tensor, "path state"]:
    """h_T of h_{t+1} = h_t + sum_i A_i h_t dw^i_t + B dw_t, B = force [channel, state] or 0."""
    h, product = start, _product(maps)
    for t in range(steps.shape[1]):
        change = product(h, steps[:, t])
        h = h + change if force is None else h + change + steps[:, t] @ force
    return h


def _product(maps: Maps) -> Callable[[Tensor, Tensor], Tensor]:
    """(h, dw) -> sum_i dw^i A_i h. Blocks are multiplied for all channels at once, because one A(dw) a path takes much memory."""
    structure, table = KINDS_OF_MAPS[maps.kind], maps.table()
    states = maps.pairs.shape[-1]
    if structure != "blocks":
        return lambda h, dw: STRUCTURES[structure].product(maps(dw), maps.pairs, maps.columns, h)
    size = table.shape[1] // states
    blocks = table.reshape(maps.channels, states // size, size, size)
    wide = blocks.permute(1, 3, 0, 2).reshape(states // size, size, maps.channels * size)

    def product(h: Tensor, dw: Tensor) -> Tensor:
        images = torch.bmm(h.reshape(len(h), -1, size).movedim(0, 1), wide)
        images = images.reshape(states // size, len(h), maps.channels, size)
        return torch.einsum("kpcs,pc->pks", images, dw).reshape(len(h), states)

    return product


@dataclass(frozen=True)
class LevyArea:
    """Ridge regression of iterated sums on (1, h_T) of a random linear CDE, for diagonal, block, Walsh-Hadamard and dense maps.

    Paths w = (t, w_1, w_2) on [0, 1] of `length` steps, w_1 and w_2 Brownian. A_i: entries N(0, 1) on the diagonal, N(0, 1/b) in
    blocks of b, N(0, 1/states) if dense, H diag(tanh N(0, 1))/sqrt(states). The penalty is chosen on a fifth of the training.
    area_<maps>: h_0 ~ N(0, I), no forcing; the target is the Levy area (S(1,2) - S(2,1))/2. forced_<maps>: h_0 = 0 and forcing
    B dw, B ~ N(0, 1); the same target. third_<maps>: with forcing; target S(1,1,2) - S(1,2,1). stratonovich_<maps>: with
    forcing; that target plus S(0,2)/2, its form with Stratonovich integrals. Each is the squared error on `test` other paths
    over the variance there. Source: Muca Cirone et al. 2024, section 4 and appendix on diagonal models.
    """

    states: int = 128
    length: int = 64
    train: int = 3000
    test: int = 1000

    def measure(self, run: Run) -> Scores:
        """The relative squared errors."""
        count = self.train + self.test
        steps = np.full((count, self.length, 3), 1 / self.length)
        steps[..., 1:] = run.numpy.standard_normal((count, self.length, 2)) / self.length**0.5
        area = (iterated_sum(steps, (1, 2)) - iterated_sum(steps, (2, 1))) / 2
        third = iterated_sum(steps, (1, 1, 2)) - iterated_sum(steps, (1, 2, 1))
        force = torch.from_numpy(run.numpy.standard_normal((3, self.states)).astype(np.float32))
        start = torch.from_numpy(run.numpy.standard_normal(self.states).astype(np.float32)).expand(count, -1)
        path = torch.from_numpy(steps.astype(np.float32))
        values = {}
        for name, (kind, block) in STRUCTURED.items():
            maps = Maps(kind, 3, self.states, run.generator, 1.0, block=block)
            with torch.no_grad():
                free, forced = ends(maps, path, start), ends(maps, path, torch.zeros_like(start), force)
            values[f"area_{name}"] = self._error(free, area)
            values[f"forced_{name}"] = self._error(forced, area)
            values[f"third_{name}"] = self._error(forced, third)
            values[f"stratonovich_{name}"] = self._error(forced, third + iterated_sum(steps, (0, 2)) / 2)
        return Scores(values)

    def _error(self, h: Float[Tensor, "path state"], target: Float[ndarray, " path"]) -> float:
        """The squared error on the test paths over the variance there."""
        features = torch.cat([torch.ones(len(h), 1), h], dim=1).double()
        y, inner = torch.from_numpy(target)[:, None], self.train * 4 // 5
        fitted, chosen = slice(0, inner), slice(inner, self.train)
        weights = validated_ridge(features[fitted], y[fitted], features[chosen], y[chosen], _PENALTIES)
        rest = (features[self.train :] @ weights - y[self.train :])[:, 0]
        return float(rest.square().mean() / y[self.train :].var())
