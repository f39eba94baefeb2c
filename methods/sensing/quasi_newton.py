"""Limited-memory BFGS on factors, with exact line search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.fields import Count, SearchSpace
from dynamark.methods.sensing.iteration import State, iterate
from dynamark.methods.sensing.measurements import measure
from dynamark.methods.sensing.start import fitted_rank, spectral
from dynamark.tasks.problems import Estimate, Recovery, Run

__all__ = ["QuasiNewton", "line_minimum", "two_loops"]

Pair = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class QuasiNewton:
    """x <- x + a p, p = -H g: limited-memory BFGS on the factors x = (F, G), or x = X where the problem is symmetric.

    H approximates the inverse Hessian from the last `memory` pairs s = x' - x, y = g' - g, by the two-loop recursion, with
    initial scaling s^T y/y^T y. Along a line the residual is r_0 + a r_1 + a^2 r_2, so the loss is a quartic polynomial in a; its
    minimizer over a > 0, computed from the roots of a cubic, satisfies the strong Wolfe conditions with any constants. The line
    search costs two passes, the gradient two. Pairs without s^T y > 0 are ignored. Spectral initialization.

    Source: Liu and Nocedal, On the limited memory BFGS method for large scale optimization, Math. Program. 1989; on factors,
    Burer and Monteiro 2003.
    key: liu1989
    """

    memory: Count = 10
    rank: Count | None = None
    search_space: ClassVar[SearchSpace] = {"memory": (10, 5, 20, 40)}

    def fit_estimates(self, problems: Sequence[Recovery], runs: Sequence[Run]) -> list[Estimate]:
        """One estimate per problem; all seeds are solved in one batch."""
        measurements = measure(problems)
        symmetric, rows = problems[0].symmetric, measurements.shape[0]
        first = spectral(measurements, fitted_rank(problems[0], self.rank), symmetric)
        pairs: list[Pair] = []
        last: tuple[Tensor, Tensor] | None = None

        def sides(x: Tensor) -> tuple[Tensor, Tensor]:
            return (x, x) if symmetric else (x[:, :rows], x[:, rows:])

        def advance(state: State, _: int) -> tuple[State, Tensor]:
            nonlocal last
            x = torch.cat(state, dim=1)
            f, g = sides(x)
            residual, z = measurements.gradient(f, g)
            gradient = z @ f if symmetric else torch.cat([z @ g, z.mT @ f], dim=1)
            if last is not None:
                pairs.append(_pair(x - last[0], gradient - last[1]))
                del pairs[: -self.memory]
            last = x, gradient
            p, q = sides(direction := -two_loops(gradient, pairs))
            linear = measurements.product(torch.cat([p, f], dim=2), torch.cat([g, q], dim=2))
            step = line_minimum(residual, linear, measurements.product(p, q))
            following = x + step * direction
            return ((following,) if symmetric else (following[:, :rows], following[:, rows:])), residual

        return iterate(measurements, runs, first, advance, "symmetric" if symmetric else "product")


def _inner(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((1, 2), keepdim=True)


def _pair(s: Tensor, y: Tensor) -> Pair:
    """(s, y, 1/s^T y), the last 0 for seeds without positive curvature s^T y, whose pair is then ignored."""
    curvature = _inner(s, y)
    positive = curvature > 1e-12 * (_inner(s, s) * _inner(y, y)).sqrt()
    return s, y, torch.where(positive, 1 / curvature, 0.0)


def two_loops(gradient: Float[Tensor, "seed n k"], pairs: Sequence[Pair]) -> Float[Tensor, "seed n k"]:
    """H g by the two-loop recursion; pairs (s, y, 1/s^T y), the newest last; H = I without pairs."""
    q, weights = gradient, []
    for s, y, rho in reversed(pairs):
        weights.append(rho * _inner(s, q))
        q = q - weights[-1] * y
    if pairs:
        _, y, rho = pairs[-1]
        q = torch.where(rho > 0, 1 / (rho * _inner(y, y)), 1.0) * q
    for (s, y, rho), weight in zip(pairs, reversed(weights), strict=True):
        q = q + s * (weight - rho * _inner(y, q))
    return q


def line_minimum(
    constant: Float[Tensor, "seed value"], linear: Float[Tensor, "seed value"], square: Float[Tensor, "seed value"]
) -> Float[Tensor, "seed 1 1"]:
    """argmin over a > 0 of |r_0 + a r_1 + a^2 r_2|^2 for each seed; 0 if there is no stationary point a > 0."""
    c, b, a = constant, linear, square
    quartic = torch.stack([(a * a).sum(1), 2 * (a * b).sum(1), (b * b + 2 * a * c).sum(1), 2 * (b * c).sum(1)], dim=1)
    minimizers = []
    for q in quartic.cpu().numpy():  # |r|^2 = q_0 a^4 + q_1 a^3 + q_2 a^2 + q_3 a + |r_0|^2
        if not np.isfinite(q).all():
            minimizers.append(0.0)
            continue
        roots = np.roots([4 * q[0], 3 * q[1], 2 * q[2], q[3]])
        steps = roots.real[(np.abs(roots.imag) <= 1e-9 * np.abs(roots)) & (roots.real > 0)]
        loss = ((q[0] * steps + q[1]) * steps + q[2]) * steps * steps + q[3] * steps
        minimizers.append(float(steps[np.argmin(loss)]) if len(steps) else 0.0)
    return constant.new_tensor(minimizers)[:, None, None]
