"""Permuted digits, one task after another: increments of rank against full matrices that are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dynamark.methods.lowrank.increments import RankIncrements, SequentialMatrices
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run, Training, TrainingQuery
from dynamark.tasks.sensing.digits import Digits

__all__ = ["PermutedDigits", "permuted", "permuted_digits"]


def permuted(problem: Training, order: Tensor) -> Training:
    """A problem with flat inputs, in single precision, whose features are in another order."""
    assert problem.query is not None
    return replace(
        problem,
        inputs=problem.inputs.flatten(1)[:, order].float(),
        query=TrainingQuery(problem.query.inputs.flatten(1)[:, order].float()),
    )


def permuted_digits(problem: Training, tasks: int, rng: np.random.Generator) -> list[Training]:
    """The digits, then digits under random permutations of the pixels."""
    count = problem.inputs.flatten(1).shape[1]
    orders = [np.arange(count), *(rng.permutation(count) for _ in range(tasks - 1))]
    return [permuted(problem, torch.from_numpy(order)) for order in orders]


@dataclass(frozen=True)
class PermutedDigits:
    """Accuracy on all tasks after the last stage, and forgetting, of learners that see the data of a task in its stage only.

    Task 0: digits; the others: digits under a permutation of the 64 pixels. A perceptron 64-`width`-`width`-10; which task an
    image belongs to is known. All learners have as many steps of Adam at one rate, on batches in one order. `increments`:
    RankIncrements; `sequential`: full matrices that every stage trains on; `unfrozen`: increments whose old pairs go on moving;
    `separate`: full matrices for each task.

    Scores, in points of the test images, means over tasks: `accuracy_<learner>`, after the last stage; `forgetting_<learner>`,
    errors after the last stage less errors after the task's own stage; `gain`, accuracy of increments less that of `sequential`;
    `changed_<learner>`, the largest change of a logit of an earlier task; `parameters_<learner>`.

    Source: Hyder, Shao, Hou, Markopoulos, Prater-Bennette and Asif, Incremental task learning with incremental rank updates, ECCV
    2022. There 20 permutations of images of 28 x 28 pixels, 256 units, and squared errors of the softmax; here cross entropy.
    """

    tasks: int = 5
    width: int = 128
    epochs: float = 30.0
    first_rank: int = 11
    added_rank: int = 1

    def measure(self, run: Run) -> Scores:
        """All learners on one draw of permutations."""
        task = Digits(width=self.width)
        labels = torch.from_numpy(task.data(0)["test_labels"].astype(int))  # a fixed split
        stages = permuted_digits(task.problem(0), self.tasks, run.numpy)
        increments = RankIncrements(epochs=self.epochs, first_rank=self.first_rank, added_rank=self.added_rank)
        learners: dict[str, RankIncrements | SequentialMatrices] = {
            "increments": increments,
            "unfrozen": replace(increments, train_old=True),
            "sequential": SequentialMatrices(epochs=self.epochs),
            "separate": SequentialMatrices(epochs=self.epochs, separate=True),
        }
        scores: dict[str, float] = {}
        for name, learner in learners.items():
            measured = self._measured(learner, stages, labels, Run(run.entropy))
            scores |= {f"{score}_{name}": value for score, value in measured.items()}
        return Scores(scores | {"gain": scores["accuracy_increments"] - scores["accuracy_sequential"]})

    @staticmethod
    def _measured(
        learner: RankIncrements | SequentialMatrices, stages: Sequence[Training], labels: Tensor, run: Run
    ) -> dict[str, float]:
        """Answers after each stage, and again after the last, all from batches of one shape."""
        inputs = [stage.query.inputs[None] for stage in stages if stage.query is not None]
        first = []
        for stage, network in enumerate(learner.fit_stages([[problem] for problem in stages], [run])):
            first.append(network.logits(stage, inputs[stage])[0].clone())
        last = [network.logits(stage, x)[0] for stage, x in enumerate(inputs)]
        then, now = (
            [100 * float((answer.argmax(1) != labels).double().mean()) for answer in answers]
            for answers in (first, last)
        )
        return {
            "accuracy": 100 - float(np.mean(now)),
            "forgetting": float(np.mean(now) - np.mean(then)),
            "changed": max(float((a - b).abs().max()) for a, b in zip(first[:-1], last[:-1], strict=True)),
            "parameters": float(network.parameter_count()),
        }
