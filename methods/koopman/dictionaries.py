"""Dictionaries of observables: maps from states [point, dim] to features [point, feature], and linear readouts."""

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

# Largest number of features: with more, a dense solve takes minutes and gigabytes.
_MOST = 4000

NAMES = ("monomials", "chebyshev", "exponential", "gaussian", "thin_plate", "fourier")

# Default sizes: number of centers of a radial dictionary; degree or order of the others.
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
    """psi, a map from states to features."""

    def __call__(self, x: States) -> Features:
        """psi(x), one row per state."""
        ...

    def readout(self, dim: int) -> Float[Tensor, "feature dim"] | None:
        """C with x = psi(x) C exactly; None if the span does not contain the state."""
        ...

    def parameter_count(self) -> int:
        """The number of floats that the dictionary stores."""
        ...


@dataclass(frozen=True)
class Monomials:
    """All monomials up to a total degree: first the constant, then the state."""

    degree: int

    def __call__(self, x: States) -> Features:
        """psi(x), one row per state."""
        return monomials(x, self.degree)

    def readout(self, dim: int) -> Tensor | None:
        """The state is in columns 1 to dim of psi."""
        features = len(exponents(dim, self.degree)) + 1
        return torch.eye(features, dtype=torch.float64)[:, 1 : dim + 1] if self.degree else None

    def parameter_count(self) -> int:
        """0: no floats are stored."""
        return 0


@dataclass(frozen=True)
class Terms:
    """The listed monomials, each as a tuple of its factors: (0, 0, 2) is x0^2 x2, () the constant."""

    factors: tuple[tuple[int, ...], ...]

    def __call__(self, x: States) -> Features:
        """psi(x), one row per state."""
        return torch.stack([x[:, list(f)].prod(dim=1) for f in self.factors], dim=1)

    def readout(self, dim: int) -> Tensor | None:
        """The columns of x0, x1, ...; None unless all of them are listed."""
        if any((i,) not in self.factors for i in range(dim)):
            return None
        places = [self.factors.index((i,)) for i in range(dim)]
        return torch.eye(len(self.factors), dtype=torch.float64)[:, places]

    def parameter_count(self) -> int:
        """0: no floats are stored."""
        return 0


@dataclass(frozen=True)
class Chebyshev:
    """Products T_{k1}(u1) ... T_{kd}(ud), k1 + ... + kd <= degree, u the state mapped from the box [low, high] to [-1, 1]."""

    degree: int
    low: Tensor
    high: Tensor

    def _orders(self, dim: int) -> list[tuple[int, ...]]:
        everything = product(range(self.degree + 1), repeat=dim)
        return sorted((k for k in everything if sum(k) <= self.degree), key=lambda k: (sum(k), k))

    def __call__(self, x: States) -> Features:
        """psi(x), one row per state."""
        u = (2 * x - self.low - self.high) / (self.high - self.low)
        values = [torch.ones_like(u), u]
        while len(values) <= self.degree:
            values.append(2 * u * values[-1] - values[-2])
        columns = []
        for orders in self._orders(x.shape[1]):
            columns.append(torch.stack([values[k][:, i] for i, k in enumerate(orders)]).prod(dim=0))
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
        """The bounds of the box."""
        return 2 * self.low.numel()


@dataclass(frozen=True)
class Radial:
    """phi(|x - c_j| / l) for each center c_j, phi(r) = exp(-r) or exp(-r^2); r^2 ln r, r = |x - c_j|, for `thin_plate`."""

    kind: Literal["exponential", "gaussian", "thin_plate"]
    centers: Float[Tensor, "center dim"]
    scale: float

    def __call__(self, x: States) -> Features:
        """psi(x), one row per state."""
        r = torch.cdist(x, self.centers, compute_mode="donot_use_mm_for_euclid_dist")
        if self.kind == "thin_plate":
            return torch.xlogy(r * r, r)
        return torch.exp(-r / self.scale) if self.kind == "exponential" else torch.exp(-((r / self.scale) ** 2))

    def readout(self, dim: int) -> Tensor | None:
        """None: the span does not contain the state."""
        return None

    def parameter_count(self) -> int:
        """Coordinates of the centers, and the scale."""
        return self.centers.numel() + 1


@dataclass(frozen=True)
class Fourier:
    """e^{i k.x} for all integer k with |k_j| <= order: for states that are angles with period 2 pi."""

    order: int

    def __call__(self, x: States) -> Features:
        """psi(x), one row per state."""
        span = torch.arange(-self.order, self.order + 1, dtype=x.dtype)
        k = torch.cartesian_prod(*[span] * x.shape[1]).reshape(-1, x.shape[1])
        phase = x @ k.T
        return torch.complex(phase.cos(), phase.sin())

    def readout(self, dim: int) -> Tensor | None:
        """None: the span does not contain the state, which is an angle."""
        return None

    def parameter_count(self) -> int:
        """0: no floats are stored."""
        return 0


@dataclass(frozen=True)
class Extended:
    """The constant and the state, followed by the features of another dictionary."""

    inner: Dictionary

    def __call__(self, x: States) -> Features:
        """psi(x), one row per state."""
        features = self.inner(x)
        return torch.cat([torch.ones_like(x[:, :1]).to(features), x.to(features), features], dim=1)

    def readout(self, dim: int) -> Tensor:
        """The state is in columns 1 to dim of psi."""
        features = self(torch.ones(1, dim, dtype=torch.float64)).shape[1]
        return torch.eye(features, dtype=torch.float64)[:, 1 : dim + 1]

    def parameter_count(self) -> int:
        """The parameter count of the inner dictionary."""
        return self.inner.parameter_count()


def build(name: str, size: int | None, x: States, rng: np.random.Generator, append: bool = True) -> Dictionary:
    """The dictionary with the given name for states x.

    name: one of `NAMES`, or a list of monomials such as "x0 x1 x0*x0", with "1" for the constant.
    size: the total degree (monomials, chebyshev), the largest wave number (fourier) or the number of centers (exponential,
    gaussian, thin_plate); None uses `default_size`. Centers are cluster means of k-means; the scale is the mean distance of the
    states from their mean.
    append: add the constant and the state if the span does not contain the state.

    Raises UserError for an unknown name and for a dictionary with too many features.
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
    """Raw for listed monomials and for angles, which depend on the units of the data; else standardized."""
    return "standardized" if name in NAMES and name != "fourier" else "raw"


def refuse_large(name: str, size: int, dim: int) -> None:
    """Raise a UserError if a dictionary that grows with the dimension would have too many features."""
    count = _feature_count(name, size, dim)
    if count > _MOST:
        raise UserError(
            f"{name} of order {size} in {dim} dimensions have {count} features, more than {_MOST}; use a lower order"
        )


def _feature_count(name: str, size: int, dim: int) -> int:
    """Number of features of a dictionary that grows with the dimension; 0 for the others."""
    degree = min(size, 64)
    if name in ("monomials", "chebyshev"):
        return comb(dim + degree, degree)
    return (2 * degree + 1) ** dim if name == "fourier" else 0


def default_size(name: str, dim: int, degree: int = _DEGREE) -> int:
    """100 centers for radial functions; otherwise the largest order up to `degree` with at most 4,000 features, at least 1."""
    if name in ("exponential", "gaussian", "thin_plate"):
        return _CENTERS
    return next((size for size in range(degree, 1, -1) if _feature_count(name, size, dim) <= _MOST), 1)


def _terms(text: str, dim: int) -> tuple[tuple[int, ...], ...]:
    """The factors of each monomial in a text such as "x0 x1 x0*x0"; UserError if it is not such a list."""
    variables = {f"x{i}": i for i in range(dim)}
    terms = []
    for term in text.split():
        factors = [] if term == "1" else term.split("*")
        if any(f not in variables for f in factors):
            raise UserError(
                f"unknown dictionary '{text}'; use one of {', '.join(NAMES)}, or monomials such as 'x0 x1 x0*x0'"
            )
        terms.append(tuple(sorted(variables[f] for f in factors)))
    return tuple(terms)


def centers(x: States, count: int, rng: np.random.Generator) -> Float[Tensor, "center dim"]:
    """Cluster means of k-means (k-means++ initialization) on at most 20 points per center; fewer if points repeat."""
    from scipy.cluster.vq import kmeans2

    points = x.numpy()
    if len(points) > 20 * count:
        points = points[rng.choice(len(points), 20 * count, replace=False)]
    count = min(count, len(np.unique(points, axis=0)))
    means, _ = kmeans2(points, count, iter=20, minit="++", rng=rng)
    return torch.from_numpy(np.unique(means, axis=0))
