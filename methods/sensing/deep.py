"""Deep linear networks: gradient descent on a product of many matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Count, Positive, Range, SearchSpace
from dynamark.methods.sensing.base import Matrices, Measurements
from dynamark.methods.sensing.iteration import State, iterate
from dynamark.methods.sensing.measurements import measure
from dynamark.methods.sensing.start import fitted_rank, gaussian, leading, scale
from dynamark.tasks.problems import Estimate, Recovery, Run

__all__ = ["DeepLinear"]


@dataclass(frozen=True)
class DeepLinear:
    """W_l <- W_l - eta (W_L ... W_{l+1})^T Z (W_{l-1} ... W_1)^T on 1/2 |A(W_L ... W_1) - y|^2, Z = A*(A(W_L ... W_1) - y).

    start: `orthogonal`: every W_l is a random matrix with orthonormal rows or columns; `gaussian`: entries N(0, 1/width);
        `decoupled`: the product has the singular vectors of A*y, so that its modes evolve independently if A*A = I. Each W_l is
        scaled by (`strength` s^_1)^(1/L), so that the initial singular values of the product are `strength` s^_1 (for `gaussian`
        only in order of magnitude).
    step: eta = 2 step / (L s^_1^(2 - 2/L)), in the units of W_l; at depth 2 the eta of `GradientDescent`.
    width: width of the hidden layers; None means the rank to fit.

    Learning a mode of singular value s takes a time of order 1/s. With orthogonal initialization the number of steps is
    independent of the depth, whereas a product of many Gaussian matrices degenerates. Two passes per step. The estimate is
    ((W_L ... W_2), W_1^T). Not for symmetric problems (UserError).

    Source: Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning in deep linear neural networks,
    ICLR 2014, equations 2 and 13 to 15.
    key: saxe2014
    """

    depth: Annotated[int, Range(2, 100)] = 3
    start: Literal["orthogonal", "gaussian", "decoupled"] = "orthogonal"
    strength: Positive = 0.1
    step: Positive = 0.25
    width: Count | None = None
    search_space: ClassVar[SearchSpace] = {"step": (0.25, 0.1, 0.5), "strength": (0.1, 0.03, 0.3)}

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate per problem; all seeds are solved in one batch."""
        if self.depth < 2:
            raise UserError(f"DeepLinear: depth = {self.depth}; give 2 or more layers")
        if problems[0].symmetric:
            raise UserError(
                "DeepLinear: a symmetric operator does not determine the skew-symmetric part of the product; use gd"
            )
        measurements = measure(problems)
        proxy = measurements.proxy()
        size = scale(measurements, proxy)
        rate = 2 * self.step / self.depth / size ** (2 - 2 / self.depth)
        layers = self._layers(problems[0], runs, measurements, proxy, size)

        def advance(state: State, _: int) -> tuple[State, Tensor]:
            nonlocal layers
            above, first = state
            residual, z = measurements.gradient(above, first)
            layers = _gradient_step(layers, z @ first, z.mT @ above, rate)
            return _ends(layers), residual

        return iterate(measurements, runs, _ends(layers), advance, "product")

    def _layers(
        self, problem: Recovery, runs: Sequence[Run], measurements: Measurements, proxy: Matrices, size: Tensor
    ) -> list[Tensor]:
        """The initial layers W_1 ... W_L [seed, out, in]."""
        width = fitted_rank(problem, self.width)
        rows, columns = measurements.shape
        shapes = [(width, columns), *[(width, width)] * (self.depth - 2), (rows, width)]
        normal = [gaussian(runs, out, inputs, size) * (out / width) ** 0.5 for out, inputs in shapes]
        root = (self.strength * size) ** (1 / self.depth)
        if self.start == "gaussian":
            return [root * w for w in normal]
        frames = [_frame(w) for w in normal]
        if self.start == "decoupled":
            u, _, v = leading(proxy, measurements.shape, width)
            hidden = [_frame(gaussian(runs, width, width, size)) for _ in range(self.depth - 1)]
            ends = [v, *hidden], [*hidden, u]  # W_l maps the basis of its input to that of its output
            frames = [out @ into.mT for into, out in zip(*ends, strict=True)]
        return [root * w for w in frames]


def _frame(matrix: Tensor) -> Tensor:
    """A uniformly distributed matrix with orthonormal rows or columns, from a Gaussian matrix."""
    tall = matrix if matrix.shape[-2] >= matrix.shape[-1] else matrix.mT
    q, r = torch.linalg.qr(tall)
    q = q * r.diagonal(dim1=-2, dim2=-1).sign()[:, None]
    return q if tall is matrix else q.mT.contiguous()


def _ends(layers: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """(W_L ... W_2, W_1^T)."""
    above = layers[-1]
    for layer in reversed(layers[1:-1]):
        above = above @ layer
    return above, layers[0].mT.contiguous()


def _gradient_step(layers: Sequence[Tensor], down: Tensor, across: Tensor, rate: Tensor) -> list[Tensor]:
    """The layers after one gradient step; down = Z W_1^T [seed, row, width], across = Z^T W_L ... W_2 [seed, column, width]."""
    below: list[Tensor] = []  # (Z W_1^T W_2^T ... W_{l-1}^T) for l = 2 ... L
    for layer in layers[1:]:
        below.append(down)
        down = down @ layer.mT
    following, above = [layers[0] - rate * across.mT], None
    for place in range(len(layers) - 1, 0, -1):
        gradient = below[place - 1] if above is None else above.mT @ below[place - 1]
        following.insert(1, layers[place] - rate * gradient)
        above = layers[place] if above is None else above @ layers[place]
    return following
