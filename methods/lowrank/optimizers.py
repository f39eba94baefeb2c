"""What optimizers of gradients have in common: rules that turn a gradient into a direction, and layers that step along it.

A `Rule` turns the gradient of one tensor [seed, ...] into a direction and keeps its moments; a `Layer` owns the parameters of one
weight matrix and takes the gradient dW of that matrix. Projections of gradients (`projected.py`) are rules, adapters
(`adapters.py`) are layers, and `descend` trains any of them, so that methods differ in nothing but their rule or layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.lowrank.backpropagation import batches, gradients, report, steps_of
from dynamark.methods.lowrank.networks import FactoredNetwork, members
from dynamark.tasks.problems import Run, Training

__all__ = ["Adam", "Full", "Layer", "Lion", "Momentum", "Rule", "descend"]


@runtime_checkable
class Rule(Protocol):
    """From a gradient to a direction: parameters change by -eta times the direction."""

    def direction(self, gradient: Tensor) -> Tensor:
        """The direction of this step; the rule updates its moments."""
        ...


@runtime_checkable
class Layer(Protocol):
    """The parameters of one weight matrix."""

    def weight(self) -> Float[Tensor, "seed out in"]:
        """W."""
        ...

    def factors(self) -> tuple[Tensor, ...]:
        """The factors of W that a trained network needs; W itself where they are not fewer numbers."""
        ...

    def step(self, gradient: Float[Tensor, "seed out in"], rate: float) -> None:
        """Change the parameters along the gradient dW of the loss."""
        ...


class Adam:
    """m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2; direction (m/(1 - b1^t))/(sqrt(v/(1 - b2^t)) + eps), t from 1."""

    def __init__(self, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> None:
        self.betas, self.eps, self.count = betas, eps, 0
        self.first: Tensor | None = None
        self.second: Tensor | None = None

    def direction(self, gradient: Tensor) -> Tensor:
        """The direction of Adam."""
        if self.first is None or self.second is None:
            self.first, self.second = torch.zeros_like(gradient), torch.zeros_like(gradient)
        self.count += 1
        (b1, b2), t = self.betas, self.count
        self.first.lerp_(gradient, 1 - b1)
        self.second.mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
        scale = self.second.sqrt().mul_((1 - b2**t) ** -0.5).add_(self.eps)
        return (self.first / scale).mul_(1 / (1 - b1**t))


class Lion:
    """direction sign(b1 m + (1 - b1) g), then m <- b2 m + (1 - b2) g."""

    def __init__(self, betas: tuple[float, float] = (0.9, 0.99)) -> None:
        self.betas = betas
        self.first: Tensor | None = None

    def direction(self, gradient: Tensor) -> Tensor:
        """The sign of the interpolated momentum."""
        if self.first is None:
            self.first = torch.zeros_like(gradient)
        b1, b2 = self.betas
        direction = self.first.lerp(gradient, 1 - b1).sign_()
        self.first.lerp_(gradient, 1 - b2)
        return direction


class Momentum:
    """m <- b m + (1 - b) g; the direction is m. With b = 0: gradient descent."""

    def __init__(self, beta: float = 0.9) -> None:
        self.beta = beta
        self.first: Tensor | None = None

    def direction(self, gradient: Tensor) -> Tensor:
        """The momentum."""
        if self.first is None:
            self.first = torch.zeros_like(gradient)
        self.first.lerp_(gradient, 1 - self.beta)
        return self.first


class Full:
    """W <- W - eta (direction + decay W): a whole tensor, a matrix or a bias, with decoupled weight decay."""

    def __init__(self, value: Tensor, rule: Rule, decay: float = 0.0) -> None:
        self.value, self.rule, self.decay = value.clone(), rule, decay

    def weight(self) -> Tensor:
        """W."""
        return self.value

    def factors(self) -> tuple[Tensor, ...]:
        """W alone."""
        return (self.value,)

    def step(self, gradient: Tensor, rate: float) -> None:
        """One step along the direction of the rule."""
        direction = self.rule.direction(gradient)
        if self.decay:
            self.value.mul_(1 - rate * self.decay)
        self.value.add_(direction, alpha=-rate)


def descend(
    problems: Sequence[Training],
    runs: Sequence[Run],
    layers: Sequence[Layer],
    bias_rule: Callable[[], Rule],
    rate: float,
    epochs: float,
    batch: int,
    decay: float = 0.0,
) -> list[FactoredNetwork]:
    """One network per problem after training all layers and biases by minibatches; one gradient per step.

    Biases start at 0 and follow `bias_rule`.
    """
    biases = [Full(torch.zeros_like(layer.weight()[..., 0]), bias_rule(), decay) for layer in layers]
    steps = steps_of(problems[0], runs[0], epochs, batch)
    for step, (x, y) in enumerate(batches(problems, runs, steps, batch), 1):
        by_weight, by_bias, loss = gradients(
            [layer.weight() for layer in layers], [bias.weight() for bias in biases], x, y
        )
        for layer, d in zip([*layers, *biases], [*by_weight, *by_bias], strict=True):
            layer.step(d, rate)
        report(runs, step, steps, loss, 1)
    return members([layer.factors() for layer in layers], [bias.weight() for bias in biases])
