"""Online least squares of a linear model without inversions, as for models of contact forces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.fields import Positive, SearchSpace
from dynamark.methods.online.features import FeatureMap, Stream
from dynamark.tasks.problems import Online, Run

__all__ = ["LML"]

# Steps between symmetrizations of P.
_SYMMETRIZE = 64


@dataclass(frozen=True)
class LML(FeatureMap):
    """G = argmin sum_t |y_t - G z_t|^2 + penalty |G|_F^2, by k = P z/(1 + z' P z), G <- G + (y - G z) k', P <- P - k (P z)'.

    P starts at I/penalty, and is symmetrized every 64 steps. Cost per step: the square of the number of features. The rounding
    error of the recursion grows like 1/penalty; `rls` has the same estimate in square-root form, without that error.

    Differs from the paper: the penalty is on all entries of G alike, because the paper's |G b|^2 leaves the problem singular
    until there are as many samples as features.

    key: tracy2023
    """

    penalty: Positive = 1e-6
    search_space: ClassVar[SearchSpace] = {"penalty": (1e-6, 1e-3, 1e-1), "order": (12, 4, 24)}

    def fit_learner(self, problem: Online, run: Run) -> _Recursion:
        """A learner with G = 0."""
        return _Recursion(self.stream(problem), problem.dim, self.penalty)


class _Recursion:
    def __init__(self, stream: Stream, dim: int, penalty: float) -> None:
        self._stream, self._step = stream, 0
        self._inverse = (torch.eye(stream.size, dtype=torch.float64) / penalty)[None]
        self._model = torch.zeros(1, dim, stream.size, dtype=torch.float64)
        self._z = self._answer = torch.zeros(0)

    def parameter_count(self) -> int:
        """Entries of G and P."""
        return self._model[0].numel() + self._inverse[0].numel()

    def predict(self, inputs: Float[Tensor, "sequence channel"]) -> Float[Tensor, "sequence dim"]:
        """G z."""
        self._z = self._stream.features(inputs)
        self._answer = (self._model @ self._z[..., None])[..., 0]
        return self._answer

    def update(self, outputs: Float[Tensor, "sequence dim"]) -> None:
        """One step of the recursion."""
        direction = (self._inverse @ self._z[..., None])[..., 0]
        gain = direction / (1 + (self._z * direction).sum(-1, keepdim=True))
        self._model = self._model + (outputs - self._answer)[..., None] * gain[:, None]
        self._inverse = self._inverse - gain[..., None] * direction[:, None]
        self._step += 1
        if self._step % _SYMMETRIZE == 0:
            self._inverse = (self._inverse + self._inverse.mT) / 2
        self._stream.reveal(outputs)
