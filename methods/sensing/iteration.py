"""The outer loop of all sensing methods: steps within the pass budget, snapshots, and stopping criteria."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from dynamark.methods.sensing.base import Measurements
from dynamark.tasks.problems import Estimate, Run

__all__ = ["State", "iterate"]

State = tuple[Tensor, ...]

# Default budget in passes, if neither the task nor the command sets one.
_PASSES = 20_000
# A run stops at relative residuals below the first, and below the second if the residual no longer decreases.
_ROUNDING, _NEAR = 1e-15, 1e-11


def iterate(
    measurements: Measurements,
    runs: Sequence[Run],
    start: State,
    advance: Callable[[State, int], tuple[State, Tensor]],
    form: Literal["product", "symmetric", "dense"],
) -> list[Estimate]:
    """Repeat `advance` until the pass budget is used up or the residual stops decreasing; one estimate per seed.

    advance(state, step): returns the next state, and the residual A(X) - y [seed, value] of its argument `state`; `step`
    counts from 1. A state is a tuple of tensors [seed, ...]. A seed that has stopped keeps its state, independent of other
    seeds in the batch.
    """
    budget = _PASSES if runs[0].budget is None else runs[0].budget
    state, final = start, [tuple(part[i] for part in start) for i in range(len(runs))]
    running = set(range(len(runs)))
    last = torch.full((len(runs),), torch.inf, dtype=start[0].dtype, device=start[0].device)
    step, cost = 0, 0
    _snapshot(runs, running, 0, state, measurements.passes)
    while running and measurements.passes + cost <= budget:
        step += 1
        before = measurements.passes
        following, residual = advance(state, step)
        cost = measurements.passes - before
        if Run.wants_snapshot(step):
            size = measurements.relative(residual)
            stopped = (size <= _ROUNDING) | ((size <= _NEAR) & (size >= 0.99 * last)) | ~torch.isfinite(size)
            last = size
            for i in [i for i in sorted(running) if bool(stopped[i])]:
                final[i] = tuple(part[i].clone() for part in state)
                running.discard(i)
            _report(runs, running, step, size, budget // max(cost, 1))
        state = following
        _snapshot(runs, running, step, state, measurements.passes)
    for i in running:
        final[i] = tuple(part[i] for part in state)
        runs[i].progress(step, step)
    return [Estimate(factors, form) for factors in final]


def _snapshot(runs: Sequence[Run], members: set[int], step: int, state: State, passes: int) -> None:
    if Run.wants_snapshot(step):
        for i in members:
            runs[i].snapshot(step, tuple(part[i] for part in state), passes)


def _report(runs: Sequence[Run], members: set[int], step: int, size: Tensor, steps: int) -> None:
    for i in members:
        runs[i].curve("residual", float(step - 1), float(size[i]))
        runs[i].progress(step, steps)
