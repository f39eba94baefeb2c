"""Dictionaries of observables: maps from states [point, dim] to features [point, feature], with the way back."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import comb
from typing import Annotated, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Size, Spelled, Units
from dynamark.tasks.numerics.polynomials import exponents, monomials

__all__ = [
    "NAMES",
    "Chebyshev",
    "Dictionary",
    "DictionaryName",
    "DictionarySize",
    "Extended",
    "Fourier",
    "Monomials",
    "Radial",
    "Terms",
    "build",
    "default_size",
    "refuse_large",
    "units_of_dictionary",
]

# Features at most: beyond, a dense solve takes minutes and gigabytes.
_MOST = 4000

NAMES = ("monomials", "chebyshev", "exponential", "gaussian", "thin_plate", "fourier")

# Centers of a radial dictionary whose size is left to it; degree or order of the others.
_CENTERS, _DEGREE = 100, 3

_TERM = r"(1|x\d+(\*x\d+)*)"
DictionaryName = Annotated[
    str,
    Spelled(
        rf"{'|'.join(NAMES)}|{_TERM}( +{_TERM})*", f"one of {', '.join(NAMES)}, or monomials such as 'x0 x1 x0*x0'"
    ),
]
DictionarySize = Size | None

States = Float[Tensor, "point dim"]
Features = Shaped[Tensor, "point feature"]


@runtime_checkable
class Dictionary(Protocol):
    """psi: states to features."""

    def __call__(self, x: States) -> Features:
        """psi(x), one row a state."""
        ...

    def readout(self, dim: int) -> Float[Tensor, "feature dim"] | None:
        """C with x = psi(x) C exactly; None where the state is not in the span."""
        ...

    def parameter_count(self) -> int:
        """Floats that it stores."""
        ...


@dataclass(frozen=True)
class Monomials:
    """All monomials up to a total degree, the constant first and the state next."""

    degree: int

    def __call__(self, x: States) -> Features:
        """psi(x), one row a state."""
        return monomials(x, self.degree)

    def readout(self, dim: int) -> Tensor | None:
        """Columns 1 to dim."""
        features = len(exponents(dim, self.degree)) + 1
        return torch.eye(features, dtype=torch.float64)[:, 1 : dim + 1] if self.degree else None

    def parameter_count(self) -> int:
        """None are stored."""
        return 0


@dataclass(frozen=True)
class Terms:
    """The monomials that are listed, each as its factors: (0, 0, 2) is x0^2 x2, () the constant."""

    factors: tuple[tuple[int, ...], ...]

    def __call__(self, x: States) -> Features:
        """psi(x), one row a state."""
        return torch.stack([x[:, list(f)].prod(dim=1) for f in self.factors], dim=1)

    def readout(self, dim: int) -> Tensor | None:
        """The columns of x0, x1, ... where all are listed."""
        if any((i,) not in self.factors for i in range(dim)):
            return None
        places = [self.factors.index((i,)) for i in range(dim)]
        return torch.eye(len(self.factors), dtype=torch.float64)[:, places]

    def parameter_count(self) -> int:
        """None are stored."""
        return 0


@dataclass(frozen=True)
class Chebyshev:
    """Products T_{k1}(u1) ... T_{kd}(ud), k1 + ... + kd <= degree, u the state mapped from the box to [-1, 1]."""

    degree: int
    low: Tensor
    high: Tensor

    def _orders(self, dim: int) -> list[tuple[int, ...]]:
        everything = product(range(self.degree + 1), repeat=dim)
        return sorted((k for k in everything if sum(k) <= self.degree), key=lambda k: (sum(k), k))

    def __call__(self, x: States) -> Features:
        """psi(x), one row a state."""
        u = (2 * x - self.low - self.high) / (self.high - self.low)
        known = [torch.ones_like(u), u]
        while len(known) <= self.degree:
            known.append(2 * u * known[-1] - known[-2])
        columns = []
        for orders in self._orders(x.shape[1]):
            columns.append(torch.stack([known[k][:, i] for i, k in enumerate(orders)]).prod(dim=0))
        return torch.stack(columns, dim=1)

    def readout(self, dim: int) -> Tensor | None:
        """x_i = (low_i + high_i)/2 + (high_i - low_i)/2 T_1(u_i)."""
        if not self.degree:
            return None
        orders = self._orders(dim)
        out = torch.zeros(len(orders), dim, dtype=torch.float64)
        out[0] = (self.low + self.high) / 2
        for i in range(dim):
            out[orders.index(tuple(int(i == j) for j in range(dim))), i] = (self.high[i] - self.low[i]) / 2
        return out

    def parameter_count(self) -> int:
        """The box."""
        return 2 * self.low.numel()


@dataclass(frozen=True)
class Radial:
    """phi(|x - c_j| / l) of each center: exp(-r), exp(-r^2) or r^2 ln r (the scale l counts for the first two)."""

    kind: Literal["exponential", "gaussian", "thin_plate"]
    centers: Float[Tensor, "center dim"]
    scale: float

    def __call__(self, x: States) -> Features:
        """psi(x), one row a state."""
        r = torch.cdist(x, self.centers, compute_mode="donot_use_mm_for_euclid_dist")
        if self.kind == "thin_plate":
            return torch.xlogy(r * r, r)
        return torch.exp(-r / self.scale) if self.kind == "exponential" else torch.exp(-((r / self.scale) ** 2))

    def readout(self, dim: int) -> Tensor | None:
        """The state is not in the span."""
        return None

    def parameter_count(self) -> int:
        """Centers and scale."""
        return self.centers.numel() + 1


@dataclass(frozen=True)
class Fourier:
    """e^{i k.x} for all integer k with |k_j| <= order: for angles, of period 2 pi."""

    order: int

    def __call__(self, x: States) -> Features:
        """psi(x), one row a state."""
        span = torch.arange(-self.order, self.order + 1, dtype=x.dtype)
        k = torch.cartesian_prod(*[span] * x.shape[1]).reshape(-1, x.shape[1])
        phase = x @ k.T
        return torch.complex(phase.cos(), phase.sin())

    def readout(self, dim: int) -> Tensor | None:
        """An angle is not in the span."""
        return None

    def parameter_count(self) -> int:
        """None are stored."""
        return 0


@dataclass(frozen=True)
class Extended:
    """The constant and the state, then the features of another dictionary."""

    inner: Dictionary

    def __call__(self, x: States) -> Features:
        """psi(x), one row a state."""
        features = self.inner(x)
        return torch.cat([torch.ones_like(x[:, :1]).to(features), x.to(features), features], dim=1)

    def readout(self, dim: int) -> Tensor:
        """Columns 1 to dim."""
        features = self(torch.ones(1, dim, dtype=torch.float64)).shape[1]
        return torch.eye(features, dtype=torch.float64)[:, 1 : dim + 1]

    def parameter_count(self) -> int:
        """The inner dictionary's."""
        return self.inner.parameter_count()


def build(name: str, size: int | None, x: States, rng: np.random.Generator, append: bool = True) -> Dictionary:
    """The dictionary of this name for these states.

    size: the total degree (monomials, chebyshev), the largest wave number (fourier) or the number of centers (exponential,
    gaussian, thin_plate); None leaves it to `default_size`. Centers are the means of k-means with the mean distance to the mean
    as scale. Any other name is a list of monomials, such as "x0 x1 x0*x0", with "1" for the constant.
    append: add constant and state where the state is not in the span.
    """
    dictionary: Dictionary
    size = default_size(name, x.shape[1]) if size is None else size
    refuse_large(name, size, x.shape[1])
    if name == "monomials":
        dictionary = Monomials(size)
    elif name == "chebyshev":
        low, high = x.amin(0), x.amax(0)
        dictionary = Chebyshev(size, low, torch.where(high > low, high, low + 1))
    elif name in ("exponential", "gaussian", "thin_plate"):
        dictionary = Radial(name, centers(x, size, rng), float((x - x.mean(0)).norm(dim=1).mean()))  # type: ignore[arg-type]
    elif name == "fourier":
        dictionary = Fourier(size)
    else:
        dictionary = Terms(_terms(name, x.shape[1]))
    return Extended(dictionary) if append and dictionary.readout(x.shape[1]) is None else dictionary


def units_of_dictionary(name: str) -> Units:
    """Listed monomials and waves of angles mean the data's own units; the span of the others bears any."""
    return "standardized" if name in NAMES and name != "fourier" else "raw"


def refuse_large(name: str, size: int, dim: int) -> None:
    """Raise a UserError where a dictionary that grows with the dimension would have too many features."""
    count = _feature_count(name, size, dim)
    if count > _MOST:
        raise UserError(
            f"{name} of order {size} in {dim} dimensions have {count} features, more than {_MOST}; lower it"
        )


def _feature_count(name: str, size: int, dim: int) -> int:
    """Features of a dictionary that grows with the dimension, 0 for the others."""
    degree = min(size, 64)
    if name in ("monomials", "chebyshev"):
        return comb(dim + degree, degree)
    return (2 * degree + 1) ** dim if name == "fourier" else 0


def default_size(name: str, dim: int, degree: int = _DEGREE) -> int:
    """100 centers for radial functions, otherwise the largest order up to `degree` that has not too many features."""
    if name in ("exponential", "gaussian", "thin_plate"):
        return _CENTERS
    return next((size for size in range(degree, 1, -1) if _feature_count(name, size, dim) <= _MOST), 1)


def _terms(text: str, dim: int) -> tuple[tuple[int, ...], ...]:
    """Read "x0 x1 x0*x0"."""
    known = {f"x{i}": i for i in range(dim)}
    listed = []
    for term in text.split():
        factors = [] if term == "1" else term.split("*")
        if any(f not in known for f in factors):
            raise UserError(
                f"'{text}' is no dictionary; write one of {', '.join(NAMES)}, or monomials such as 'x0 x1 x0*x0'"
            )
        listed.append(tuple(sorted(known[f] for f in factors)))
    return tuple(listed)


def centers(x: States, count: int, rng: np.random.Generator) -> Float[Tensor, "center dim"]:
    """The means of k-means (started by k-means++) on at most 20 points a center; repeated points give fewer centers."""
    from scipy.cluster.vq import kmeans2

    points = x.numpy()
    if len(points) > 20 * count:
        points = points[rng.choice(len(points), 20 * count, replace=False)]
    count = min(count, len(np.unique(points, axis=0)))
    means, _ = kmeans2(points, count, iter=20, minit="++", rng=rng)
    return torch.from_numpy(np.unique(means, axis=0))
