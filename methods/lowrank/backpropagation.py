"""Forward pass and manual backpropagation of multilayer perceptrons, for a batch of seeds.

All methods in this folder use the gradient dW of the full weight matrix: the gradients of the factors of W = U S V^T are
products of dW with the other factors, dU = dW V S^T and dS = U^T dW V, so one backward pass gives all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dynamark.tasks.problems import Run, Training

__all__ = ["batches", "gradients", "outputs", "report", "steps_of"]


def outputs(weights: Sequence[Tensor], biases: Sequence[Tensor], inputs: Tensor) -> list[Tensor]:
    """The inputs h_0, h_1, ... of all layers and the logits: h_0 = x, h_l = relu(W_l h_{l-1} + b_l), the logits without relu.

    weights [seed, out, in], biases [seed, out], inputs [seed, sample, feature].
    """
    values = [inputs]
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        value = torch.baddbmm(bias[:, None], values[-1], weight.mT)
        values.append(value if layer == len(weights) - 1 else value.relu())
    return values


def gradients(
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    inputs: Float[Tensor, "seed sample feature"],
    labels: Int[Tensor, "seed sample"],
) -> tuple[list[Tensor], list[Tensor], Float[Tensor, " seed"]]:
    """The gradients of the mean cross-entropy with respect to weights and biases, and its value for each seed."""
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
    """The number of steps of `epochs` epochs of full batches, at most the budget of the run."""
    size = min(batch, len(problem.labels))
    return run.limit(round(epochs * (len(problem.labels) // size)))


def batches(
    problems: Sequence[Training], runs: Sequence[Run], steps: int, batch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs [seed, sample, feature] and labels [seed, sample] of each step; each seed shuffles the samples in every epoch.

    Incomplete batches at the end of an epoch are dropped.
    """
    count = len(problems[0].labels)
    size = min(batch, count)
    orders: list[Tensor] = []
    for step in range(steps):
        at = step % (count // size)
        if at == 0:
            orders = [torch.randperm(count, generator=run.generator) for run in runs]
        rows = [
            order[at * size : (at + 1) * size].to(p.inputs.device) for order, p in zip(orders, problems, strict=True)
        ]
        yield (
            torch.stack([p.inputs[r].flatten(1) for p, r in zip(problems, rows, strict=True)]),
            torch.stack([p.labels[r] for p, r in zip(problems, rows, strict=True)]),
        )


def report(runs: Sequence[Run], step: int, steps: int, loss: Tensor, evaluations: int) -> None:
    """Report progress, the curve of the training loss and, at the last step, the number of gradient evaluations as a fact."""
    for i, run in enumerate(runs):
        run.progress(step, steps)
        if Run.wants_snapshot(step):
            run.curve("training_loss", float(step), float(loss[i]))
        if step == steps:
            run.fact("gradients", float(step * evaluations))
