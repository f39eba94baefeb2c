"""All seeds at once: the parameters of several equal networks stacked along a leading seed axis.

Small networks are bound by overhead, not by arithmetic; stacked, eight train in the time of two or three. Members never mix:
the loss is a sum over members, so gradients stay apart, and a NaN stays in its member.
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
    """Several modules of equal structure, as one: parameters and buffers are [seed, ...]."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self.modules = list(modules)
        self.parameters, self.buffers = stack_module_state(self.modules)
        self._skeleton = copy.deepcopy(self.modules[0]).to("meta")

    def __len__(self) -> int:
        return len(self.modules)

    def each(self, loss: Callable[..., Tensor], *batch: Any) -> Tensor:
        """loss(module, *batch) for every member at once [seed, ...]; the batch's tensors are [seed, ...].

        `module` is called like the module itself; methods other than `forward` are reached by `module(..., method=name)`
        where the module's forward offers that. A module that says `stacked = True` takes the leading axis of parameters and
        batch itself and returns a loss a member: `vmap` is left out, which costs a small network half of its time.
        """
        if getattr(self._skeleton, "stacked", False):
            state = (self.parameters, self.buffers)
            return loss(lambda *args, **kwargs: functional_call(self._skeleton, state, args, kwargs), *batch)

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], *own: Any) -> Tensor:
            def module(*args: Any, **kwargs: Any) -> Any:
                return functional_call(self._skeleton, (parameters, buffers), args, kwargs)

            return loss(module, *own)

        # A module that draws random numbers in forward would draw the same for all members: masks are passed in.
        mapped: Callable[..., Tensor] = vmap(one, randomness="error")
        return mapped(self.parameters, self.buffers, *batch)

    def write_back(self, parameters: dict[str, Tensor] | None = None) -> list[nn.Module]:
        """The modules with the stacked values written into them."""
        values = self.parameters if parameters is None else parameters
        with torch.no_grad():
            for i, module in enumerate(self.modules):
                for name, parameter in module.named_parameters():
                    parameter.copy_(values[name][i])
        return self.modules
