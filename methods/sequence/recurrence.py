"""Recurrences with a hand-written gradient, batched over seeds.

The time of a step of a small recurrent network is dominated by the overhead per operation. Under `vmap`, all seeds share the
operations of a step, and the backward pass uses the few operations of the closed-form gradient instead of one for each
recorded operation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.numerics import compiling

__all__ = ["Recurrence", "compiled_on", "recur"]


def compiled_on(x: Tensor) -> bool:
    """Whether compiled kernels support this tensor: numba is installed, and the tensor is float32 or float64 on the CPU."""
    return compiling.available() and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)


class Recurrence(ABC):
    """h_t = f(x_t, h_{t-1}; weights), h_{-1} = 0, batched over seeds (members).

    Shapes: x [time, member, batch, .], weights [member, ...].
    """

    @abstractmethod
    def run(self, x: Tensor, times: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        """The states [time, member, batch, unit], then other outputs [time, member, ...] that `pull` needs.

        times: the time input of each step [time, member, batch, 1]; it has no gradient.
        """

    @abstractmethod
    def pull(
        self, to_states: Tensor, x: Tensor, times: Tensor, weights: tuple[Tensor, ...], saved: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """The gradients with respect to x and every weight, from those of the states; `saved` is the result of `run`."""


def recur(
    cell: Recurrence, x: Float[Tensor, "time batch any"], times: Float[Tensor, "time batch 1"], *weights: Tensor
) -> Float[Tensor, "time batch unit"]:
    """The states of one seed; under `vmap` those of all seeds, in one loop over time."""
    stacked = (part[None] for part in weights)
    states: Tensor = _Scan.apply(cell, x[:, None], times[:, None], *stacked)[0]  # type: ignore[no-untyped-call]
    return states[:, 0]


class _Scan(torch.autograd.Function):
    """A recurrence on stacked seeds."""

    @staticmethod
    def forward(cell: Recurrence, x: Tensor, times: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        return cell.run(x, times, *weights)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.cell, ctx.weights = inputs[0], len(inputs) - 3
        ctx.save_for_backward(*inputs[1:], *output)
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        x, times, *rest = ctx.saved_tensors
        weights, outputs = tuple(rest[: ctx.weights]), tuple(rest[ctx.weights :])
        to_x, *to_weights = ctx.cell.pull(gradients[0], x, times, weights, outputs)
        return None, to_x, None, *to_weights

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], cell: Recurrence, *inputs: Tensor) -> tuple[Any, Any]:
        size = info.batch_size
        places = (1, 1, *[0] * (len(inputs) - 2))
        x, times, *weights = (
            part.unsqueeze(place).expand(*part.shape[:place], size, *part.shape[place:])
            if dim is None
            else part.movedim(dim, place)
            for part, dim, place in zip(inputs, in_dims[1:], places, strict=True)
        )
        stacked = (x.flatten(1, 2), times.flatten(1, 2), *(w.flatten(0, 1) for w in weights))
        out = _Scan.apply(cell, *stacked)  # type: ignore[no-untyped-call]
        return tuple(part.unflatten(1, (size, -1)) for part in out), (1,) * len(out)
