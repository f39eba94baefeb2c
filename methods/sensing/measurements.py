"""Measurements of a batch of seeds with dense or structured operators; every tensor has a leading seed axis.

One pass of a shared operator is one matrix product for all its seeds, padded to a multiple of four rows: the rounding of a row
of a matrix product depends on how many rows the kernel processes at once, and results must not depend on the other seeds in a
batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.sensing.base import Matrices, Measurements
from dynamark.methods.sensing.reading import available, read_by_blocks, read_compiled
from dynamark.methods.sensing.sampled import SampledMeasurements, SparseMeasurements
from dynamark.tasks.numerics.operators import DenseOperator, SampledOperator, half_vectorize, unvectorize
from dynamark.tasks.problems import Operator, Recovery

__all__ = ["DenseMeasurements", "StructuredMeasurements", "measure", "same_operator"]

_ROWS = 4
# Dense operators larger than this (bytes) are read once for both products of a gradient.
_CACHE = 16_000_000
# Bytes read by all passes after which a run is long enough for compilation to pay off.
_LONG = 20_000_000_000
# Measurements per matrix entry from which a QR decomposition of the operator pays off.
_TALL = 1.5
# Below this fraction of sampled entries, sparse products are faster than masks.
_DENSITY = 0.05


def same_operator(one: Operator, other: Operator) -> bool:
    """Whether two operators have the same type and share their arrays (identity, not equality of values)."""
    if type(one) is not type(other) or not dataclasses.is_dataclass(one):
        return one is other
    parts = [(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one)]
    return all(a is b if isinstance(a, Tensor) else a == b for a, b in parts)


class DenseMeasurements(Measurements):
    """Dense operators: one matrix product per operator and pass if problems share operators, else one per seed.

    groups: the distinct operators, each with the indices of its seeds. An operator with many more measurements than matrix
    entries is replaced by the R factor of its QR decomposition, which leaves the loss unchanged.
    """

    def __init__(self, problems: Sequence[Recovery]) -> None:
        self.shape = problems[0].operator.shape
        self.symmetric = problems[0].symmetric
        self.groups: list[tuple[DenseOperator, list[int]]] = []
        for i, problem in enumerate(problems):
            operator = problem.operator
            assert isinstance(operator, DenseOperator)
            equal = (members for other, members in self.groups if problem.shared and same_operator(other, operator))
            if (members := next(equal, None)) is not None:
                members.append(i)
            else:
                self.groups.append((operator, [i]))
        reduced: dict[int, Tensor] = {}
        for place, (operator, members) in enumerate(self.groups):
            smaller, values = _reduced(operator, [problems[i].y for i in members])
            self.groups[place] = smaller, members
            reduced |= dict(zip(members, values, strict=True))
        self.y = torch.stack([reduced[i] for i in range(len(problems))])
        self._shared = problems[0].shared
        self._back = torch.argsort(torch.tensor([i for _, members in self.groups for i in members]))

    def _product(self, flat: Tensor, forward: bool) -> Tensor:
        matrices = [operator.rows.T if forward else operator.rows for operator, _ in self.groups]
        if not self._shared:
            return torch.stack([x @ matrix for x, matrix in zip(flat, matrices, strict=True)])
        parts = []
        for matrix, (_, members) in zip(matrices, self.groups, strict=True):
            x = flat if len(members) == len(flat) else flat[members]
            padded = torch.nn.functional.pad(x, (0, 0, 0, -len(x) % _ROWS))
            parts.append((padded @ matrix)[: len(x)])
        return parts[0] if len(parts) == 1 else torch.cat(parts)[self._back]

    def gradient(
        self, left: Float[Tensor, "seed row k"], right: Float[Tensor, "seed column k"]
    ) -> tuple[Tensor, Matrices]:
        """The residual A(L R^T) - y and Z = A*(A(L R^T) - y); large operators that are not shared are read only once."""
        size = self.groups[0][0].rows.numel() * self.y.element_size()
        if self._shared or size <= _CACHE:
            return super().gradient(left, right)
        # Decided by the passes per seed: results must not depend on the number of other seeds in the batch.
        compiled = self.passes * size > _LONG and self.y.device.type == "cpu" and available()
        read_once = read_compiled if compiled else read_by_blocks
        self.passes += 2
        flat = self._flat(left @ right.mT)
        pairs = [read_once(operator.rows, flat[i], self.y[i]) for operator, (i,) in self.groups]
        residual, z = (torch.stack(parts) for parts in zip(*pairs, strict=True))
        return residual, self._matrices(z)

    def _flat(self, matrix: Tensor) -> Tensor:
        return half_vectorize(matrix) if self.symmetric else matrix.flatten(1)

    def _matrices(self, flat: Tensor) -> Tensor:
        return unvectorize(flat, self.shape[0]) if self.symmetric else flat.view(-1, *self.shape)

    def forward(self, matrix: Float[Tensor, "seed row column"]) -> Float[Tensor, "seed value"]:
        """A(X)."""
        self.passes += 1
        return self._product(self._flat(matrix), True)

    def adjoint(self, values: Float[Tensor, "seed value"]) -> Float[Tensor, "seed row column"]:
        """A*(z)."""
        self.passes += 1
        return self._matrices(self._product(values, False))


def _reduced(operator: DenseOperator, values: Sequence[Tensor]) -> tuple[DenseOperator, Sequence[Tensor]]:
    """(R; 0) and (Q^T y; |y - Q Q^T y|) with A = Q R, whose residual has norm |A x - y|; unchanged unless A is tall."""
    count, entries = operator.rows.shape
    if count < _TALL * entries:
        return operator, values
    q, r = torch.linalg.qr(operator.rows)
    rows = torch.cat([r, torch.zeros_like(r[:1])])
    projected = [q.T @ y for y in values]
    rest = [(y - q @ part).norm()[None] for y, part in zip(values, projected, strict=True)]
    smaller = dataclasses.replace(operator, rows=rows)
    return smaller, [torch.cat(parts) for parts in zip(projected, rest, strict=True)]


class StructuredMeasurements(Measurements):
    """Operators applied by a fast transform: one call for all seeds if they share an operator, else one per seed."""

    def __init__(self, problems: Sequence[Recovery]) -> None:
        self.y = torch.stack([p.y for p in problems])
        self.shape = problems[0].operator.shape
        self.symmetric = problems[0].symmetric
        shared = problems[0].shared and all(same_operator(p.operator, problems[0].operator) for p in problems)
        self.operators = [p.operator for p in problems[: 1 if shared else None]]

    def forward(self, matrix: Float[Tensor, "seed row column"]) -> Float[Tensor, "seed value"]:
        """A(X)."""
        self.passes += 1
        parts = matrix.chunk(len(self.operators))
        return torch.cat([o.forward(part) for o, part in zip(self.operators, parts, strict=True)])

    def adjoint(self, values: Float[Tensor, "seed value"]) -> Float[Tensor, "seed row column"]:
        """A*(z)."""
        self.passes += 1
        parts = values.chunk(len(self.operators))
        return torch.cat([o.adjoint(part) for o, part in zip(self.operators, parts, strict=True)])


def measure(problems: Sequence[Recovery]) -> Measurements:
    """The measurements of a batch of problems, in the class that suits their operators."""
    operator = problems[0].operator
    if isinstance(operator, DenseOperator):
        return DenseMeasurements(problems)
    if not isinstance(operator, SampledOperator):
        return StructuredMeasurements(problems)
    sparse = len(problems[0].y) < _DENSITY * operator.shape[0] * operator.shape[1]
    return SparseMeasurements(problems) if sparse else SampledMeasurements(problems)
