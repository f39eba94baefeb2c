"""All seeds in one batch: the parameters of several equal networks, stacked along a leading seed axis.

The run time of small networks is overhead, not arithmetic; stacked, eight train in the time of two or three. The members of a
batch are independent: the loss is a sum over members, so each gradient depends on one member only, and so does a NaN.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

__all__ = ["Stacked"]


class Stacked:
    """Several modules of equal structure as one; parameters and buffers have shape [seed, ...]."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self.modules = list(modules)
        self.parameters, self.buffers = stack_module_state(self.modules)
        self._skeleton = copy.deepcopy(self.modules[0]).to("meta")

    def __len__(self) -> int:
        return len(self.modules)

    def each(self, loss: Callable[..., Tensor], *batch: Any) -> Tensor:
        """loss(module, *batch) for all members at once, shape [seed, ...]; the tensors of `batch` have shape [seed, ...].

        `module` is called like the module itself; its other methods are called by `module(..., method=name)` if the module's
        forward supports that. A module with the attribute `stacked = True` handles the leading seed axis of parameters and
        batch itself and returns one loss per member: this avoids `vmap`, which takes half of the run time of a small network.
        """
        if getattr(self._skeleton, "stacked", False):
            state = (self.parameters, self.buffers)
            return loss(lambda *args, **kwargs: functional_call(self._skeleton, state, args, kwargs), *batch)

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], *own: Any) -> Tensor:
            def module(*args: Any, **kwargs: Any) -> Any:
                return functional_call(self._skeleton, (parameters, buffers), args, kwargs)

            return loss(module, *own)

        # A module that draws random numbers in forward would draw the same ones for all members: pass masks as inputs.
        mapped: Callable[..., Tensor] = vmap(one, randomness="error")
        return mapped(self.parameters, self.buffers, *batch)

    def write_back(self, parameters: dict[str, Tensor] | None = None) -> list[nn.Module]:
        """Copy the stacked parameters, or those given, into the modules, and return the modules."""
        values = self.parameters if parameters is None else parameters
        with torch.no_grad():
            for i, module in enumerate(self.modules):
                for name, parameter in module.named_parameters():
                    parameter.copy_(values[name][i])
        return self.modules
