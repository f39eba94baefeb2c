"""Training on one task after another: increments of rank, and full matrices that are trained on.

A learner is given the training data of one stage at a time; its network answers for every stage so far, whose number is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.fields import Batch, Count, Positive
from dynamark.methods.lowrank.backpropagation import batches, gradients, outputs, steps_of
from dynamark.methods.lowrank.optimizers import Adam, Full
from dynamark.tasks.problems import Run, Training

__all__ = ["IncrementalLayer", "RankIncrements", "SequentialMatrices", "StagedNetwork", "StagedWeight"]


@runtime_checkable
class StagedWeight(Protocol):
    """The parameters of one weight matrix, which has a value for each stage."""

    def begin(self, generators: Sequence[torch.Generator]) -> None:
        """Begin a stage; one generator per seed."""
        ...

    def weight(self, stage: int = -1) -> Float[Tensor, "seed out in"]:
        """W of a stage, by default the last."""
        ...

    def step(self, gradient: Float[Tensor, "seed out in"], rate: float) -> None:
        """Change the parameters of the last stage along the gradient dW of the loss."""
        ...

    def parameter_count(self) -> int:
        """The number of parameters of all stages, for one seed."""
        ...


class IncrementalLayer:
    """W_t = U_t diag(s_t) V_t^T at stage t, U_t and V_t the first K_t columns of U and V; each stage adds columns.

    New columns are orthonormal at first. The selector s_t of a stage is 0 on old columns and 1 on new ones at its start. Columns
    of earlier stages are frozen, unless `train_old`; selectors of earlier stages always are.
    """

    def __init__(self, shape: tuple[int, int], first: int, added: int, like: Tensor, train_old: bool = False) -> None:
        self.first, self.added, self.train_old = min(first, *shape), min(added, *shape), train_old
        self.old = [Full(like.new_zeros(1, size, 0), Adam()) for size in shape]
        self.new: list[Full] = []
        self.selectors: list[Full] = []

    def begin(self, generators: Sequence[torch.Generator]) -> None:
        """The columns so far become old ones; new columns, and a selector."""
        columns = self.added if self.selectors else self.first
        old = self.columns() if self.selectors else [full.value.expand(len(generators), -1, 0) for full in self.old]
        new = [torch.stack([_frame(f.shape[1], columns, f, g) for g in generators]) for f in old]
        self.old, self.new = [[Full(f, Adam()) for f in part] for part in (old, new)]
        selector = torch.cat(
            [old[0].new_zeros(len(generators), old[0].shape[-1]), torch.ones_like(new[0][:, 0])], dim=1
        )
        self.selectors.append(Full(selector, Adam()))

    def columns(self) -> list[Tensor]:
        """U [seed, out, K] and V [seed, in, K]."""
        return [torch.cat([a.value, b.value], dim=-1) for a, b in zip(self.old, self.new, strict=True)]

    def weight(self, stage: int = -1) -> Float[Tensor, "seed out in"]:
        """W of a stage, by default the last."""
        (u, v), selector = self.columns(), self.selectors[stage].value
        count = selector.shape[-1]
        return (u[..., :count] * selector[:, None]) @ v[..., :count].mT

    def step(self, gradient: Float[Tensor, "seed out in"], rate: float) -> None:
        """dU = dW V diag(s), dV = dW^T U diag(s), ds = diag(U^T dW V), all at the parameters before the step."""
        (u, v), scale = self.columns(), self.selectors[-1].value[:, None].clone()
        by_column = gradient @ v, gradient.mT @ u
        self.selectors[-1].step((u * by_column[0]).sum(-2), rate)
        count = self.old[0].value.shape[-1]
        for old, new, d in zip(self.old, self.new, by_column, strict=True):
            new.step((d * scale)[..., count:], rate)
            if self.train_old:
                old.step((d * scale)[..., :count], rate)

    def parameter_count(self) -> int:
        """Columns and selectors."""
        return sum(f[0].numel() for f in self.columns()) + sum(s.value[0].numel() for s in self.selectors)


class _Matrix:
    """A full matrix, entries N(0, 2/in) at first: its own in each stage, or one that all stages train on."""

    def __init__(self, shape: tuple[int, int], like: Tensor, shared: bool) -> None:
        self.shape, self.like, self.shared = shape, like, shared
        self.values: list[Full] = []

    def begin(self, generators: Sequence[torch.Generator]) -> None:
        """A new matrix, or the last one with new moments."""
        if self.shared and self.values:
            self.values = [Full(self.values[0].value, Adam())]
            return
        scale = (2 / self.shape[1]) ** 0.5
        draws = [scale * torch.randn(*self.shape, generator=g, dtype=self.like.dtype) for g in generators]
        self.values.append(Full(torch.stack(draws), Adam()))

    def weight(self, stage: int = -1) -> Float[Tensor, "seed out in"]:
        """W of a stage, by default the last."""
        return self.values[0 if self.shared else stage].value

    def step(self, gradient: Float[Tensor, "seed out in"], rate: float) -> None:
        """A step of the last matrix."""
        self.values[-1].step(gradient, rate)

    def parameter_count(self) -> int:
        """The entries of all matrices."""
        return sum(full.value[0].numel() for full in self.values)


def _frame(rows: int, columns: int, like: Tensor, generator: torch.Generator) -> Float[Tensor, "row column"]:
    """Random orthonormal columns."""
    return torch.linalg.qr(torch.randn(rows, columns, generator=generator, dtype=like.dtype))[0]


@dataclass
class StagedNetwork:
    """A perceptron with weights and biases for each stage. A cohort of seeds: all tensors begin with the seed."""

    weights: Sequence[StagedWeight]
    biases: list[list[Full]] = field(default_factory=list)  # of each stage, of each layer

    def logits(self, stage: int, inputs: Float[Tensor, "seed sample feature"]) -> Float[Tensor, "seed sample label"]:
        """The outputs of the last layer of a stage, before the softmax."""
        weights = [weight.weight(stage) for weight in self.weights]
        return outputs(weights, [bias.value for bias in self.biases[stage]], inputs)[-1]

    def parameter_count(self) -> int:
        """The number of parameters of all stages, for one seed."""
        counts = [bias.value[0].numel() for stage in self.biases for bias in stage]
        return sum(weight.parameter_count() for weight in self.weights) + sum(counts)


def _trained(
    weights: Sequence[StagedWeight],
    stages: Sequence[Sequence[Training]],
    runs: Sequence[Run],
    rate: float,
    epochs: float,
    batch: int,
) -> Iterator[StagedNetwork]:
    """The network after each stage; Adam, whose moments begin anew with each stage.

    The batches of a stage depend on the seed alone, so that learners meet the data in the same order.
    """
    network = StagedNetwork(weights)
    for stage, problems in enumerate(stages):
        for weight in weights:
            weight.begin([run.generator for run in runs])
        network.biases.append([Full(torch.zeros_like(weight.weight()[..., 0]), Adam()) for weight in weights])
        layers: list[StagedWeight | Full] = [*weights, *network.biases[-1]]
        orders = [Run([*run.entropy, stage]) for run in runs]
        for x, y in batches(problems, orders, steps_of(problems[0], runs[0], epochs, batch), batch):
            current = [weight.weight() for weight in weights]
            by_weight, by_bias, _ = gradients(current, [bias.value for bias in network.biases[-1]], x, y)
            for layer, d in zip(layers, [*by_weight, *by_bias], strict=True):
                layer.step(d, rate)
        yield network


def _sizes(stages: Sequence[Sequence[Training]]) -> list[tuple[int, int]]:
    widths = stages[0][0].widths
    return list(zip(widths[1:], widths[:-1], strict=True))


@dataclass(frozen=True)
class RankIncrements:
    """W_t = sum_{k <= K_t} s_{t,k} u_k v_k^T in hidden layers: each stage adds pairs (u_k, v_k) and freezes the old ones.

    A stage trains its pairs, its selector s_t over all pairs so far, its biases and its own full output layer, so that answers
    for earlier stages do not change.

    first_rank, added_rank: pairs of the first stage and of each later one. train_old: whether old pairs go on moving, which
    makes earlier stages forget.

    Source: Hyder, Shao, Hou, Markopoulos, Prater-Bennette and Asif, Incremental task learning with incremental rank updates, ECCV
    2022.
    key: hyder2022
    """

    rate: Positive = 3e-3
    epochs: Positive = 30.0
    batch: Batch = 128
    first_rank: Count = 11
    added_rank: Count = 1
    train_old: bool = False

    def fit_stages(self, stages: Sequence[Sequence[Training]], runs: Sequence[Run]) -> Iterator[StagedNetwork]:
        """The network after each stage, which changes as the next one is asked for; stages [stage][seed]."""
        *hidden, last = _sizes(stages)
        like = stages[0][0].inputs
        layers = [IncrementalLayer(size, self.first_rank, self.added_rank, like, self.train_old) for size in hidden]
        yield from _trained(
            [*layers, _Matrix(last, like, shared=False)], stages, runs, self.rate, self.epochs, self.batch
        )


@dataclass(frozen=True)
class SequentialMatrices:
    """Full matrices in hidden layers that each stage trains on, with biases and a full output layer of its own.

    separate: every stage has matrices of its own, a network for each task.

    Source: the network without increments of Hyder et al. 2022.
    key: hyder2022
    """

    rate: Positive = 3e-3
    epochs: Positive = 30.0
    batch: Batch = 128
    separate: bool = False

    def fit_stages(self, stages: Sequence[Sequence[Training]], runs: Sequence[Run]) -> Iterator[StagedNetwork]:
        """The network after each stage, which changes as the next one is asked for; stages [stage][seed]."""
        *hidden, last = _sizes(stages)
        like = stages[0][0].inputs
        layers = [_Matrix(size, like, shared=not self.separate) for size in hidden]
        yield from _trained(
            [*layers, _Matrix(last, like, shared=False)], stages, runs, self.rate, self.epochs, self.batch
        )
