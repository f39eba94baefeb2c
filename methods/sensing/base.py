"""The common interface of all measurements; every tensor has a leading seed axis.

Methods on factors compute A(L R^T) with `product` and Z = A*(A(L R^T) - y) with `gradient`. Z is a dense tensor or, if few
entries are sampled, a `Sparse`, which is multiplied by factors without forming the full matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.numerics.operators import SampledOperator

__all__ = ["Matrices", "Measurements", "Sparse"]


@dataclass(frozen=True)
class Sparse:
    """A*(z) of each seed, for products with factors [seed, side, k]: Z @ R and Z.mT @ L. z is padded with zeros."""

    operators: Sequence[SampledOperator]
    values: Float[Tensor, "seed value"]
    transposed: bool = False

    def __matmul__(self, factor: Float[Tensor, "seed side k"]) -> Float[Tensor, "seed other k"]:
        members = zip(self.operators, self.values, factor, strict=True)
        return torch.stack([o.back(z[: len(o.row)], part, self.transposed) for o, z, part in members])

    @property
    def mT(self) -> Sparse:
        """The transpose, as a view of the same values."""
        return Sparse(self.operators, self.values, not self.transposed)


# Z in products with factors: a dense matrix, or a sparse one of sampled entries.
Matrices = Tensor | Sparse


class Measurements:
    """The measurements y [seed, value] and the operators of a batch of seeds.

    passes: number of applications of A or A* so far, per seed.
    """

    y: Tensor
    shape: tuple[int, int]
    symmetric: bool
    passes: int = 0

    def __len__(self) -> int:
        return len(self.y)

    def forward(self, matrix: Float[Tensor, "seed row column"]) -> Float[Tensor, "seed value"]:
        """A(X), at a cost of one pass."""
        raise NotImplementedError

    def adjoint(self, values: Float[Tensor, "seed value"]) -> Float[Tensor, "seed row column"]:
        """A*(z), at a cost of one pass."""
        raise NotImplementedError

    def normal(self, matrix: Float[Tensor, "seed row column"]) -> tuple[Tensor, Tensor]:
        """The residual A(X) - y and Z = A*(A(X) - y), at a cost of two passes."""
        residual = self.forward(matrix) - self.y
        return residual, self.adjoint(residual)

    def product(
        self, left: Float[Tensor, "seed row k"], right: Float[Tensor, "seed column k"]
    ) -> Float[Tensor, "seed value"]:
        """A(L R^T), at a cost of one pass."""
        return self.forward(left @ right.mT)

    def back(self, values: Float[Tensor, "seed value"]) -> Matrices:
        """A*(z), for products with factors, at a cost of one pass."""
        return self.adjoint(values)

    def gradient(
        self, left: Float[Tensor, "seed row k"], right: Float[Tensor, "seed column k"]
    ) -> tuple[Tensor, Matrices]:
        """The residual A(L R^T) - y and Z = A*(A(L R^T) - y), at a cost of two passes."""
        residual = self.product(left, right) - self.y
        return residual, self.back(residual)

    def proxy(self) -> Matrices:
        """A*y, the proxy matrix of spectral initialization: its expectation over random operators is X*."""
        return self.back(self.y)

    def relative(self, residual: Float[Tensor, "seed value"]) -> Float[Tensor, " seed"]:
        """|residual| / |y| of each seed."""
        return residual.norm(dim=1) / self.y.norm(dim=1)
