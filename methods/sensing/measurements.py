"""The operators and measurements of a cohort, and linear algebra of its states: everything has a leading seed axis.

One pass of a shared operator is one matrix product for all its seeds, padded to a multiple of four: the bits of a row of a
matrix product depend on how many rows the kernel takes at once, and a member's bits must not depend on its neighbours.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.numerics.operators import DenseOperator, SampledOperator, half_vectorise, unvectorise
from dynamark.tasks.problems import Operator, Recovery

__all__ = ["DenseMeasurements", "Measurements", "SampledMeasurements", "measure", "same_operator"]

_ROWS = 4


def same_operator(one: Operator, other: Operator) -> bool:
    """Whether two operators are made of the very same arrays."""
    if type(one) is not type(other) or not dataclasses.is_dataclass(one):
        return one is other
    parts = [(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one)]
    return all(a is b if isinstance(a, Tensor) else a == b for a, b in parts)


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

    def proxy(self) -> Float[Tensor, "seed row column"]:
        """A*y, from which spectral methods start: its mean over operators is X*."""
        return self.adjoint(self.y)

    def relative(self, residual: Float[Tensor, "seed value"]) -> Float[Tensor, " seed"]:
        """|residual| / |y|."""
        return residual.norm(dim=1) / self.y.norm(dim=1)


class DenseMeasurements(Measurements):
    """Operators stored as matrices: one product for all seeds that share one, where problems say so, else one a member.

    groups: the distinct operators, each with its members.
    """

    def __init__(self, problems: Sequence[Recovery]) -> None:
        self.y = torch.stack([p.y for p in problems])
        self.shape = problems[0].operator.shape
        self.symmetric = problems[0].symmetric
        self.groups: list[tuple[DenseOperator, list[int]]] = []
        for i, problem in enumerate(problems):
            operator = problem.operator
            assert isinstance(operator, DenseOperator)
            known = (members for other, members in self.groups if problem.shared and same_operator(other, operator))
            if (members := next(known, None)) is not None:
                members.append(i)
            else:
                self.groups.append((operator, [i]))
        self._shared = problems[0].shared
        self._back = torch.argsort(torch.tensor([i for _, members in self.groups for i in members]))

    def _product(self, flat: Tensor, forward: bool) -> Tensor:
        matrices = [operator.rows.T if forward else operator.rows for operator, _ in self.groups]
        if not self._shared:
            return torch.stack([own @ matrix for own, matrix in zip(flat, matrices, strict=True)])
        parts = []
        for matrix, (_, members) in zip(matrices, self.groups, strict=True):
            own = flat if len(members) == len(flat) else flat[members]
            padded = torch.nn.functional.pad(own, (0, 0, 0, -len(own) % _ROWS))
            parts.append((padded @ matrix)[: len(own)])
        return parts[0] if len(parts) == 1 else torch.cat(parts)[self._back]

    def forward(self, matrix: Float[Tensor, "seed row column"]) -> Float[Tensor, "seed value"]:
        """A(X)."""
        self.passes += 1
        return self._product(half_vectorise(matrix) if self.symmetric else matrix.flatten(1), True)

    def adjoint(self, values: Float[Tensor, "seed value"]) -> Float[Tensor, "seed row column"]:
        """A*(z)."""
        self.passes += 1
        flat = self._product(values, False)
        return unvectorise(flat, self.shape[0]) if self.symmetric else flat.view(-1, *self.shape)


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


def measure(problems: Sequence[Recovery]) -> Measurements:
    """The measurements of a cohort."""
    if isinstance(problems[0].operator, SampledOperator):
        return SampledMeasurements(problems)
    return DenseMeasurements(problems)
