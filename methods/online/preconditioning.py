"""Sequence preconditioning: online prediction of a filtered output with weak dependence on the distant past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.fields import Order, Positive, Range, SearchSpace
from dynamark.methods.online.features import FeatureMap, Features
from dynamark.methods.online.learners import VAW, SquareRoot
from dynamark.tasks.numerics.polynomials import monic_chebyshev
from dynamark.tasks.problems import Online, Run

__all__ = ["Preconditioned"]


@dataclass(frozen=True)
class Preconditioned(FeatureMap):
    """y^_t = f^_t - sum_{i=1}^n c_i y_{t-i}, f^ an online prediction of y~_t = sum_{i=0}^n c_i y_{t-i}.

    c are the coefficients, in descending powers, of the monic Chebyshev polynomial p = 2^{1-n} T_n: a pole a contributes to y~
    with the factor p(a), at most 2^{1-n} for real a in [-1, 1]. Measurement noise is amplified by |c|.
    degree: n; 0 means no preconditioning.

    The inner learner is Vovk-Azoury-Warmuth on `features` (by default 24 taps of the inputs) instead of online gradient
    descent. Source: algorithm 2.

    key: marsden2025
    """

    features: Features = "fir"
    order: Order = 23
    degree: Annotated[int, Range(0, 50)] = 5
    penalty: Positive = 1e-6
    search_space: ClassVar[SearchSpace] = {"degree": (5, 2, 3, 8), "penalty": (1e-6, 1e-3, 1e-1)}

    def fit_learner(self, problem: Online, run: Run) -> _Preconditioned:
        """A learner without data."""
        inner = VAW(self.features, self.order, self.filters, self.penalty).fit_learner(problem, run)
        return _Preconditioned(inner, torch.from_numpy(monic_chebyshev(self.degree)[1:].copy()))


class _Preconditioned:
    def __init__(self, inner: SquareRoot, coefficients: Float[Tensor, " degree"]) -> None:
        self._inner, self._coefficients = inner, coefficients
        self._past: Tensor | None = None
        self._offset = torch.zeros(0)

    def parameter_count(self) -> int:
        """Number of parameters of the inner learner; the polynomial is fixed."""
        return self._inner.parameter_count()

    def predict(self, inputs: Float[Tensor, "sequence channel"]) -> Float[Tensor, "sequence dim"]:
        """f^_t - sum_{i=1}^n c_i y_{t-i}."""
        inner = self._inner.predict(inputs)
        if self._past is None:
            self._past = inner.new_zeros(len(self._coefficients), len(inputs), inner.shape[1])
        self._offset = torch.einsum("i,ind->nd", self._coefficients, self._past)
        return inner - self._offset

    def update(self, outputs: Float[Tensor, "sequence dim"]) -> None:
        """Update the inner learner with the preconditioned output y~_t."""
        self._inner.update(outputs + self._offset)
        assert self._past is not None
        self._past = torch.cat([outputs[None], self._past])[: len(self._coefficients)]
