"""What every kind of measurements offers to a method; everything has a leading seed axis.

What descends on factors asks for A(L R^T) by `product` and for Z = A*(A(L R^T) - y) by `gradient`; Z may be a tensor or, where
few entries were sampled, `Sparse`, which multiplies factors without forming a matrix of full size.
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
    """A*(z) of each member, z filled up with zeros, to be multiplied by factors [seed, side, k]: Z @ R, Z.mT @ L."""

    operators: Sequence[SampledOperator]
    values: Float[Tensor, "seed value"]
    transposed: bool = False

    def __matmul__(self, factor: Float[Tensor, "seed side k"]) -> Float[Tensor, "seed other k"]:
        members = zip(self.operators, self.values, factor, strict=True)
        return torch.stack([o.back(own[: len(o.row)], part, self.transposed) for o, own, part in members])

    @property
    def mT(self) -> Sparse:
        """The transpose."""
        return Sparse(self.operators, self.values, not self.transposed)


# What multiplies factors: a matrix of full size, or one of samples.
Matrices = Tensor | Sparse


class Measurements:
    """The measurements y [seed, value] of a cohort, and its operators.

    passes: applications of A or A* so far, per member.
    """

    y: Tensor
    shape: tuple[int, int]
    symmetric: bool
    passes: int = 0

    def __len__(self) -> int:
        return len(self.y)

    def forward(self, matrix: Float[Tensor, "seed row column"]) -> Float[Tensor, "seed value"]:
        """A(X): one pass."""
        raise NotImplementedError

    def adjoint(self, values: Float[Tensor, "seed value"]) -> Float[Tensor, "seed row column"]:
        """A*(z): one pass."""
        raise NotImplementedError

    def normal(self, matrix: Float[Tensor, "seed row column"]) -> tuple[Tensor, Tensor]:
        """The residual A(X) - y and Z = A*(A(X) - y): two passes."""
        residual = self.forward(matrix) - self.y
        return residual, self.adjoint(residual)

    def product(
        self, left: Float[Tensor, "seed row k"], right: Float[Tensor, "seed column k"]
    ) -> Float[Tensor, "seed value"]:
        """A(L R^T): one pass."""
        return self.forward(left @ right.mT)

    def back(self, values: Float[Tensor, "seed value"]) -> Matrices:
        """A*(z), to be multiplied by factors: one pass."""
        return self.adjoint(values)

    def gradient(
        self, left: Float[Tensor, "seed row k"], right: Float[Tensor, "seed column k"]
    ) -> tuple[Tensor, Matrices]:
        """The residual A(L R^T) - y and Z = A*(A(L R^T) - y): two passes."""
        residual = self.product(left, right) - self.y
        return residual, self.back(residual)

    def proxy(self) -> Matrices:
        """A*y, from which spectral methods start: its mean over operators is X*."""
        return self.back(self.y)

    def relative(self, residual: Float[Tensor, "seed value"]) -> Float[Tensor, " seed"]:
        """|residual| / |y|."""
        return residual.norm(dim=1) / self.y.norm(dim=1)
