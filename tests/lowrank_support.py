"""What the tests of low-rank training share: a small network in autograd, and errors on handwritten digits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from sensing_support import normals
from torch import Tensor

from dynamark.methods.lowrank.backpropagation import batches
from dynamark.methods.lowrank.networks import he_weights
from dynamark.methods.lowrank.optimizers import Layer
from dynamark.tasks.problems import Run, Training
from dynamark.tasks.sensing.digits import Digits

STEPS = 6


def toy(samples: int = 24) -> Training:
    """Three labels of five features, and a network of layers 7 x 5 and 3 x 7."""
    x = normals(samples, 5, seed=1)
    return Training(x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long(), (5, 7, 3))


def start() -> list[Tensor]:
    """The weights from which methods train the toy with seed 0."""
    return [weight[0] for weight in he_weights([toy()], [Run([0])])]


def autograd(
    parameters: Sequence[Tensor],
    weights: Callable[[], Sequence[Tensor]],
    optimizer: Callable[[list[Tensor]], torch.optim.Optimizer],
    run: Run | None = None,
) -> list[Tensor]:
    """The weights after STEPS steps of a torch optimizer on the batches of seed 0; `run`: that of the start, if it drew more."""
    problem = toy()
    if run is None:
        run = Run([0])
        he_weights([problem], [run])
    biases = [torch.zeros(n, dtype=torch.float64, requires_grad=True) for n in problem.widths[1:]]
    stepper = optimizer([*parameters, *biases])
    for x, y in batches([problem], [run], STEPS, 8):
        first, second = weights()
        logits = torch.relu(x[0] @ first.T + biases[0]) @ second.T + biases[1]
        stepper.zero_grad()
        torch.nn.functional.cross_entropy(logits, y[0]).backward()  # type: ignore[no-untyped-call]
        stepper.step()
    return [w.detach() for w in weights()]


def fitted(method: Any) -> list[Tensor]:
    """The weights of the toy after STEPS steps of a method with batches of 8."""
    (network,) = method.fit_networks([toy()], [Run([0], budget=STEPS)])
    return [torch.linalg.multi_dot(layer) if len(layer) > 1 else layer[0] for layer in network.factors]


def assert_close(actual: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    """Equal to rounding."""
    for a, b in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def quadratic(layer: Layer, target: Tensor, rate: float, steps: int) -> Tensor:
    """W after descent on |W - W*|^2/2."""
    for _ in range(steps):
        layer.step(layer.weight() - target, rate)
    return layer.weight()


def errors(method: Any, rank: int = 16, seeds: int = 2, **run: Any) -> list[float]:
    """The error rates of seeds on digits."""
    task = Digits.at("tiny", rank=rank)
    problems, runs = [task.problem(s) for s in range(seeds)], [Run([s], **run) for s in range(seeds)]
    networks = method.fit_networks(problems, runs)
    query = problems[0].query
    assert query is not None
    return [task.score({"logits": n.logits(query.inputs).numpy()}, i).values["error"] for i, n in enumerate(networks)]
