"""CondLR's bound of the condition at every step, and what it does against attacks on the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dynamark.methods.lowrank.backpropagation import batches, gradients
from dynamark.methods.lowrank.conditioned import BoundedCondition, ConditionedLayer
from dynamark.methods.lowrank.direct import FullTraining, TwoFactors
from dynamark.methods.lowrank.networks import FactoredNetwork
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run, Training
from dynamark.tasks.sensing.digits import Digits

__all__ = ["AttackedDigits", "ConditionPath", "attacked", "condition_path"]

Inputs = Float[Tensor, "sample *feature"]
Labels = Int[Tensor, " sample"]


def condition_path(layers: Sequence[ConditionedLayer], problem: Training, run: Run, rate: float, steps: int) -> float:
    """The largest condition of any layer at the start and after every step of training."""
    biases = [torch.zeros_like(layer.weight()[..., 0]) for layer in layers]
    largest = max(float(layer.condition().max()) for layer in layers)
    for x, y in batches([problem], [run], steps, 128):
        by_weight, by_bias, _ = gradients([layer.weight() for layer in layers], biases, x, y)
        for layer, d in zip(layers, by_weight, strict=True):
            layer.step(d, rate)
        biases = [b - rate * d for b, d in zip(biases, by_bias, strict=True)]
        largest = max(largest, *(float(layer.condition().max()) for layer in layers))
    return largest


@dataclass(frozen=True)
class ConditionPath:
    """cond W <= tau for every layer after every step of CondLR on digits.

    Scores: `excess_<i>`, the largest condition over tau_i, less 1; `free`, the largest condition with a bound of 1e6.
    Source: Savostianova, Zangrando, Ceruti and Tudisco, Robust low-rank training via approximate orthonormal constraints, 2023.
    """

    bounds: tuple[float, ...] = (1.0, 1.1, 1.5, 4.0)
    rank: int = 16
    rate: float = 0.1
    steps: int = 200

    def measure(self, run: Run) -> Scores:
        """Every bound from the same start, on the same batches."""
        problem = Digits(rank=self.rank).problem(0)

        def largest(bound: float) -> float:
            own = Run(run.entropy)
            layers = BoundedCondition(bound=bound, start="random").layers([problem], [own])
            return condition_path(layers, problem, own, self.rate, self.steps)

        excess = {f"excess_{i}": largest(bound) / bound - 1 for i, bound in enumerate(self.bounds)}
        return Scores(excess | {"free": largest(1e6)})


def attacked(network: FactoredNetwork, inputs: Inputs, labels: Labels, strength: float) -> Inputs:
    """The fast gradient sign method: x + eps sign(grad_x loss), kept in [0, 1]."""
    x = inputs.clone().requires_grad_()
    torch.nn.functional.cross_entropy(network.logits(x), labels).backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    return (inputs + strength * x.grad.sign()).clamp(0, 1)


def _errors(network: FactoredNetwork, inputs: Inputs, labels: Labels) -> float:
    return 100 * float((network.logits(inputs).argmax(1) != labels).double().mean())


@dataclass(frozen=True)
class AttackedDigits:
    """Points of accuracy that CondLR keeps against U V' of the same rank, on attacked and on clean images.

    Each method is trained at every rate, on four fifths of the training images; the rate with the fewest errors on the rest is
    taken, the cross entropy there deciding between equals. Both start from the leading part of He's matrices. Scores, in points
    of the test images: `gain_<100 eps>`, errors of U V' less those of CondLR at an attack of strength eps on each network's own
    gradient; `clean_loss`, clean errors of CondLR less those of U V'; `clean_<method>`, `error_<method>_<100 eps>`; and
    `condition_factors`, the largest condition of a layer of U V'; `rate_<method>`.
    Source: Savostianova, Zangrando, Ceruti and Tudisco 2023; the attack: Goodfellow, Shlens and Szegedy, Explaining and
    harnessing adversarial examples, 2015.
    """

    bound: float = 1.1
    rank: int = 16
    epochs: float = 60.0
    rates: tuple[float, ...] = (0.05, 0.1, 0.15)
    strengths: tuple[float, ...] = (0.05, 0.1, 0.15)

    def measure(self, run: Run) -> Scores:
        """All methods on one split of the training images."""
        task = Digits(rank=self.rank)
        problem, labels = (
            task.problem(0),
            torch.from_numpy(task.data(0)["test_labels"].astype(int)),
        )  # the split is fixed
        assert problem.query is not None
        common = {"epochs": self.epochs, "rank": self.rank}
        methods: dict[str, BoundedCondition | TwoFactors | FullTraining] = {
            "bounded": BoundedCondition(bound=self.bound, start="he", **common),  # type: ignore[arg-type]
            "factors": TwoFactors(start="he", **common),  # type: ignore[arg-type]
            "full": FullTraining(epochs=self.epochs),
        }
        scores = {}
        for name, method in methods.items():
            network, scores[f"rate_{name}"] = self._best(method, problem, run)
            scores[f"clean_{name}"] = _errors(network, problem.query.inputs, labels)
            for eps in self.strengths:
                hostile = attacked(network, problem.query.inputs, labels, eps)
                scores[f"error_{name}_{round(100 * eps)}"] = _errors(network, hostile, labels)
            if name == "factors":
                scores["condition_factors"] = max(_condition(layer) for layer in network.factors)
        for eps in (round(100 * eps) for eps in self.strengths):
            scores[f"gain_{eps}"] = scores[f"error_factors_{eps}"] - scores[f"error_bounded_{eps}"]
        return Scores(scores | {"clean_loss": scores["clean_bounded"] - scores["clean_factors"]})

    def _best(
        self, method: BoundedCondition | TwoFactors | FullTraining, problem: Training, run: Run
    ) -> tuple[FactoredNetwork, float]:
        """The network of the best rate, and that rate."""
        rest = torch.arange(len(problem.labels)) % 5 == 4
        part = replace(problem, inputs=problem.inputs[~rest], labels=problem.labels[~rest], query=None)
        ends = {}
        for rate in self.rates:
            (network,) = replace(method, rate=rate).fit_networks([part], [Run(run.entropy)])
            logits, labels = network.logits(problem.inputs[rest]), problem.labels[rest]
            surprise = float(torch.nn.functional.cross_entropy(logits, labels))
            ends[_errors(network, problem.inputs[rest], labels), surprise] = network, rate
        return ends[min(ends)]


def _condition(factors: tuple[Tensor, ...]) -> float:
    """The largest over the smallest of the first r singular values of a product of rank r."""
    rank = min(min(f.shape) for f in factors)
    product = factors[0] if len(factors) == 1 else torch.linalg.multi_dot(factors)
    values = torch.linalg.svdvals(product)
    return float(values[0] / values[rank - 1])
