"""Online learning of asymmetric linear systems: filters of a wedge around the real line, applied to a preconditioned output."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.sparse.linalg import eigsh
from torch import Tensor

from dynamark.methods.fields import Positive, Range, SearchSpace
from dynamark.methods.linear import banks
from dynamark.methods.online.features import Stream
from dynamark.methods.online.learners import SquareRoot
from dynamark.methods.online.preconditioning import _Preconditioned
from dynamark.tasks.numerics.polynomials import monic_chebyshev
from dynamark.tasks.numerics.spectral_filters import wedge_gram
from dynamark.tasks.problems import Online, Run

__all__ = ["AsymmetricFiltering", "polynomial_filters", "polynomial_gram"]

# Lanczos iteration is used for less than one eigenvector in so many.
_MANY = 10


def polynomial_gram(
    length: int, angle: float, coefficients: Float[ndarray, " power"], mirrored: bool = False
) -> Float[ndarray, "i j"]:
    """int |p(a)|^2 a^i conj(a)^j dA over the wedge |arg a| <= angle, p(a) = sum_j c_j a^{n-j}.

    sum_{k,l<=n} c_k c_l Z_{i+n-k, j+n-l} of the Gram matrix Z of `wedge_gram`. Cancellation costs a factor 4^{n-1} of the
    accuracy of its eigenvalues, which leaves the first 20 filters as they are up to n = 10.
    """
    degree = len(coefficients) - 1
    plain = wedge_gram(length + degree, angle, mirrored)
    half = sum(c * plain[degree - k : degree - k + length] for k, c in enumerate(coefficients))
    return np.asarray(sum(c * half[:, degree - k : degree - k + length] for k, c in enumerate(coefficients)))


@functools.lru_cache(maxsize=8)
def polynomial_filters(
    length: int, count: int, angle: float, degree: int, mirrored: bool
) -> Float[Tensor, "lag filter"]:
    """Leading eigenvectors of `polynomial_gram` for the monic Chebyshev polynomial of a degree.

    O(length^2) by Lanczos iteration where few are wanted, which is 20 times faster than a full decomposition at length 4,096.
    """
    gram = polynomial_gram(length, angle, monic_chebyshev(degree), mirrored)
    if _MANY * count > length:
        vectors = np.linalg.eigh(gram)[1][:, ::-1][:, : min(count, length)]
    else:
        values, vectors = eigsh(gram, k=count, v0=np.ones(length))
        vectors = vectors[:, np.argsort(values)[::-1]]
    return torch.from_numpy(vectors * np.where(vectors[0] < 0, -1.0, 1.0))


@dataclass(frozen=True)
class AsymmetricFiltering:
    """y^_t = f^_t - sum_{i=1}^n c_i y_{t-i}, f^ of Vovk-Azoury-Warmuth on u_t .. u_{t-n+1} and filters of u_{t-n} and before.

    c: the coefficients of the monic Chebyshev polynomial p of degree n. From lag n on, the response of sum_i c_i y_{t-i} is
    C A^{s-n} p(A) B, small for poles near [-1, 1]; its first n lags are arbitrary. The filters are the leading eigenvectors of
    int |p(a)|^2 a^i conj(a)^j dA over the wedge |arg a| <= angle; `mirrored` adds the wedge around -1. There are at least 3 taps.
    constants: `given`, or those of the theorem, n = ceil(7/6 log2 T), angle = 1/(64 n^2) and ceil(ln T) filters.
    Source: version 1 of the paper, algorithm 3.

    key: marsden2025
    """

    degree: Annotated[int, Range(0, 50)] = 5
    filters: Annotated[int, Range(1, 500)] = 10
    angle: Annotated[float, Range(above=0, high=math.pi)] = 0.05
    mirrored: bool = False
    constants: Literal["given", "paper"] = "given"
    penalty: Positive = 1e-6
    search_space: ClassVar[SearchSpace] = {
        "angle": (0.05, 0.01, 0.2, 1.0),
        "degree": (5, 2, 8),
        "mirrored": (False, True),
    }

    def fit_learner(self, problem: Online, run: Run) -> _Preconditioned:
        """A learner without data."""
        length = problem.horizon
        degree, angle, filters = self.degree, self.angle, self.filters
        if self.constants == "paper":
            degree = math.ceil(7 / 6 * math.log2(max(2, length)))
            angle, filters = 1 / (64 * degree**2), math.ceil(math.log(max(3, length)))
        degree = min(degree, max(0, length - 1))
        bank = banks.taps(length, max(3, degree))
        delayed = torch.zeros(length, 0, dtype=torch.float64)
        if length > degree:
            own = polynomial_filters(length - degree, filters, angle, degree, self.mirrored)
            delayed = torch.cat([own.new_zeros(degree, own.shape[1]), own])
        inputs = torch.cat([bank, delayed], dim=1)
        nothing = torch.zeros(1, 0, dtype=torch.float64)
        stream = Stream(problem, inputs if problem.channels else inputs[:, :0], nothing)
        inner = SquareRoot(stream, problem.dim, self.penalty, forward=True)
        return _Preconditioned(inner, torch.from_numpy(monic_chebyshev(degree)[1:].copy()))
