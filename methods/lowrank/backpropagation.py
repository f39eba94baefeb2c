"""Multilayer perceptrons of a cohort as plain matrices: outputs, and the gradient of every weight matrix by hand.

All methods of this room train through the gradient dW of the whole weight matrix: that of a factor of W = U S V^T is a product
with the other factors at the same weights, dU = dW V S^T, dS = U^T dW V. One pass then serves them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dynamark.tasks.problems import Run, Training

__all__ = ["batches", "gradients", "outputs", "report", "steps_of"]


def outputs(weights: Sequence[Tensor], biases: Sequence[Tensor], inputs: Tensor) -> list[Tensor]:
    """The inputs of each layer and the logits: h_0 = x, h_l = relu(W_l h_{l-1} + b_l), the last without relu.

    weights [seed, out, in], biases [seed, out], inputs [seed, sample, feature].
    """
    found = [inputs]
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        value = torch.baddbmm(bias[:, None], found[-1], weight.mT)
        found.append(value if layer == len(weights) - 1 else value.relu())
    return found


def gradients(
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    inputs: Float[Tensor, "seed sample feature"],
    labels: Int[Tensor, "seed sample"],
) -> tuple[list[Tensor], list[Tensor], Float[Tensor, " seed"]]:
    """The gradients of the mean cross entropy by weights and biases, and its value for each member."""
    layers = outputs(weights, biases, inputs)
    logs = layers[-1].log_softmax(-1)
    loss = -logs.gather(-1, labels[..., None])[..., 0].mean(1)
    delta = (logs.exp() - torch.nn.functional.one_hot(labels, logs.shape[-1])) / labels.shape[1]
    by_weight: list[Tensor] = []
    by_bias: list[Tensor] = []
    for layer in reversed(range(len(weights))):
        by_weight.insert(0, delta.mT @ layers[layer])
        by_bias.insert(0, delta.sum(1))
        if layer:
            delta = (delta @ weights[layer]) * (layers[layer] > 0)
    return by_weight, by_bias, loss


def steps_of(problem: Training, run: Run, epochs: float, batch: int) -> int:
    """Steps of so many epochs of whole batches, within the budget."""
    size = min(batch, len(problem.labels))
    return run.limit(round(epochs * (len(problem.labels) // size)))


def batches(
    problems: Sequence[Training], runs: Sequence[Run], steps: int, batch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs [seed, sample, feature] and labels of each step; every epoch in a new order, drawn by each member itself.

    An epoch ends with the last whole batch.
    """
    count = len(problems[0].labels)
    size = min(batch, count)
    orders: list[Tensor] = []
    for step in range(steps):
        at = step % (count // size)
        if at == 0:
            orders = [torch.randperm(count, generator=run.generator) for run in runs]
        rows = [own[at * size : (at + 1) * size].to(p.inputs.device) for own, p in zip(orders, problems, strict=True)]
        yield (
            torch.stack([p.inputs[r].flatten(1) for p, r in zip(problems, rows, strict=True)]),
            torch.stack([p.labels[r] for p, r in zip(problems, rows, strict=True)]),
        )


def report(runs: Sequence[Run], step: int, steps: int, loss: Tensor, evaluations: int) -> None:
    """Progress, the curve of the training loss, and how many gradients were evaluated."""
    for i, run in enumerate(runs):
        run.progress(step, steps)
        if Run.wants_snapshot(step):
            run.curve("training_loss", float(step), float(loss[i]))
        if step == steps:
            run.fact("gradients", float(step * evaluations))
