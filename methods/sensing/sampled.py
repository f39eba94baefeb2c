"""Measurements of sampled entries: by masks where many are seen, by sparse products where few are."""

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
    """Sampled entries: values are whole matrices, zero where nothing was seen, so that masks may differ in size."""

    def __init__(self, problems: Sequence[Recovery]) -> None:
        self.shape = problems[0].operator.shape
        self.symmetric = problems[0].symmetric
        operators = [p.operator for p in problems]
        assert all(isinstance(o, SampledOperator) for o in operators)
        # A* of ones and of y holds the scale once too often.
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
        """A*y without the rows and columns that were seen over twice as often as the mean (trimming, Keshavan et al. 2010)."""
        count = (self.mask > 0).to(self.y.dtype)
        rows, columns = count.sum(2, keepdim=True), count.sum(1, keepdim=True)
        kept = (rows <= 2 * rows.mean(1, keepdim=True)) & (columns <= 2 * columns.mean(2, keepdim=True))
        return self.adjoint(self.y) * kept

    def entries(self) -> tuple[Matrices, Matrices]:
        """1 where an entry was seen, and what was seen there."""
        values = torch.where(self.mask > 0, self.y.view_as(self.mask) / self.mask, 0.0)
        return (self.mask > 0).to(self.y.dtype), values


class SparseMeasurements(Measurements):
    """Few sampled entries, each a value: time and memory follow their number, and no matrix of full size is formed.

    Members with fewer samples than others are filled up with zeros.
    """

    def __init__(self, problems: Sequence[Recovery]) -> None:
        self.shape = problems[0].operator.shape
        self.symmetric = problems[0].symmetric
        self.operators: list[SampledOperator] = []
        for problem in problems:
            assert isinstance(problem.operator, SampledOperator)
            self.operators.append(problem.operator)
        self._counts = [len(p.y) for p in problems]
        self.y = self._filled([p.y for p in problems])

    def _filled(self, members: Sequence[Tensor]) -> Tensor:
        longest = max(self._counts)
        return torch.stack([torch.nn.functional.pad(own, (0, longest - len(own))) for own in members])

    def product(
        self, left: Float[Tensor, "seed row k"], right: Float[Tensor, "seed column k"]
    ) -> Float[Tensor, "seed value"]:
        """A(L R^T)."""
        self.passes += 1
        return self._filled([o.product(a, b) for o, a, b in zip(self.operators, left, right, strict=True)])

    def back(self, values: Float[Tensor, "seed value"]) -> Sparse:
        """A*(z), to be multiplied by factors."""
        self.passes += 1
        return Sparse(self.operators, values)

    def forward(self, matrix: Float[Tensor, "seed row column"]) -> Float[Tensor, "seed value"]:
        """Refused: a method that needs matrices of full size does not fit here."""
        raise self._refused()

    def adjoint(self, values: Float[Tensor, "seed value"]) -> Float[Tensor, "seed row column"]:
        """Refused."""
        raise self._refused()

    def _refused(self) -> UserError:
        return UserError(f"a {self.shape[0]} x {self.shape[1]} matrix is not formed here; use a method on factors")

    def proxy(self) -> Sparse:
        """A*y, trimmed as that of `SampledMeasurements`."""
        kept = [_often(o.row, self.shape[0]) & _often(o.column, self.shape[1]) for o in self.operators]
        return self.back(self.y * self._filled([own.to(self.y.dtype) for own in kept]))

    def entries(self) -> tuple[Matrices, Matrices]:
        """1 where an entry was seen, and what was seen there."""
        scales = self.y.new_tensor([o.scale for o in self.operators])[:, None]
        seen = self._filled([torch.ones_like(own[:count]) for own, count in zip(self.y, self._counts, strict=True)])
        return Sparse(self.operators, seen / scales), Sparse(self.operators, self.y / scales.square())


def _often(index: Tensor, count: int) -> Tensor:
    """Whether each sample lies in a row (column) that was seen at most twice as often as the mean."""
    times = torch.bincount(index, minlength=count)
    return times[index] <= 2 * len(index) / count
