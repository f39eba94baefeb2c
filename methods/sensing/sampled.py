"""Measurements of sampled entries: dense masks if many entries are observed, sparse products if few are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.sensing.base import Matrices, Measurements, Sparse
from dynamark.tasks.numerics.operators import SampledOperator
from dynamark.tasks.problems import Recovery

__all__ = ["SampledMeasurements", "SparseMeasurements"]


class SampledMeasurements(Measurements):
    """Sampled entries by masks: values are flattened matrices, zero at unobserved entries; sample counts may differ by seed."""

    def __init__(self, problems: Sequence[Recovery]) -> None:
        self.shape = problems[0].operator.shape
        self.symmetric = problems[0].symmetric
        operators = [p.operator for p in problems]
        assert all(isinstance(o, SampledOperator) for o in operators)
        # A* of ones and of y contain one factor of the scale too many.
        self.mask = torch.stack([o.adjoint(torch.ones_like(p.y)) for o, p in zip(operators, problems, strict=True)])
        scale = self.mask.flatten(1).amax(dim=1).clamp(min=torch.finfo(self.mask.dtype).tiny)[:, None]
        values = torch.stack([o.adjoint(p.y) for o, p in zip(operators, problems, strict=True)])
        self.y = values.flatten(1) / scale

    def forward(self, matrix: Float[Tensor, "seed row column"]) -> Float[Tensor, "seed value"]:
        """A(X)."""
        self.passes += 1
        return (matrix * self.mask).flatten(1)

    def adjoint(self, values: Float[Tensor, "seed value"]) -> Float[Tensor, "seed row column"]:
        """A*(z)."""
        self.passes += 1
        return values.view(-1, *self.shape) * self.mask

    def proxy(self) -> Float[Tensor, "seed row column"]:
        """A*y, without rows and columns that have over twice the mean number of samples (trimming, Keshavan et al. 2010)."""
        count = (self.mask > 0).to(self.y.dtype)
        rows, columns = count.sum(2, keepdim=True), count.sum(1, keepdim=True)
        regular = (rows <= 2 * rows.mean(1, keepdim=True)) & (columns <= 2 * columns.mean(2, keepdim=True))
        return self.adjoint(self.y) * regular

    def entries(self) -> tuple[Matrices, Matrices]:
        """The mask (1 at observed entries) and the observed entries of the matrix, without the scale of A."""
        values = torch.where(self.mask > 0, self.y.view_as(self.mask) / self.mask, 0.0)
        return (self.mask > 0).to(self.y.dtype), values


class SparseMeasurements(Measurements):
    """Sampled entries by sparse products: time and memory scale with the number of samples; no full matrix is formed.

    values [seed, value] of seeds with fewer samples are padded with zeros.
    """

    def __init__(self, problems: Sequence[Recovery]) -> None:
        self.shape = problems[0].operator.shape
        self.symmetric = problems[0].symmetric
        self.operators: list[SampledOperator] = []
        for problem in problems:
            assert isinstance(problem.operator, SampledOperator)
            self.operators.append(problem.operator)
        self._counts = [len(p.y) for p in problems]
        self.y = self._padded([p.y for p in problems])

    def _padded(self, values: Sequence[Tensor]) -> Tensor:
        longest = max(self._counts)
        return torch.stack([torch.nn.functional.pad(z, (0, longest - len(z))) for z in values])

    def product(
        self, left: Float[Tensor, "seed row k"], right: Float[Tensor, "seed column k"]
    ) -> Float[Tensor, "seed value"]:
        """A(L R^T)."""
        self.passes += 1
        return self._padded([o.product(a, b) for o, a, b in zip(self.operators, left, right, strict=True)])

    def back(self, values: Float[Tensor, "seed value"]) -> Sparse:
        """A*(z), for products with factors."""
        self.passes += 1
        return Sparse(self.operators, values)

    def forward(self, matrix: Float[Tensor, "seed row column"]) -> Float[Tensor, "seed value"]:
        """UserError: the dense matrix is not materialized."""
        raise self._dense_error()

    def adjoint(self, values: Float[Tensor, "seed value"]) -> Float[Tensor, "seed row column"]:
        """UserError: the dense matrix is not materialized."""
        raise self._dense_error()

    def _dense_error(self) -> UserError:
        return UserError(
            f"few entries are sampled: the dense {self.shape[0]} x {self.shape[1]} matrix is not materialized; "
            "use a method on factors, such as scaled_gd"
        )

    def proxy(self) -> Sparse:
        """A*y, trimmed as in `SampledMeasurements.proxy`."""
        regular = [_regular(o.row, self.shape[0]) & _regular(o.column, self.shape[1]) for o in self.operators]
        return self.back(self.y * self._padded([mask.to(self.y.dtype) for mask in regular]))

    def entries(self) -> tuple[Matrices, Matrices]:
        """The mask (1 at observed entries) and the observed entries of the matrix, without the scale of A."""
        scales = self.y.new_tensor([o.scale for o in self.operators])[:, None]
        ones = self._padded([torch.ones_like(y[:count]) for y, count in zip(self.y, self._counts, strict=True)])
        return Sparse(self.operators, ones / scales), Sparse(self.operators, self.y / scales.square())


def _regular(index: Tensor, count: int) -> Tensor:
    """Whether the row (or column) of each sample has at most twice the mean number of samples."""
    times = torch.bincount(index, minlength=count)
    return times[index] <= 2 * len(index) / count
