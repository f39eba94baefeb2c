"""Full matrices trained through low-rank projections of their gradients: GaLore, online subspace descent and Flora."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from dynamark.methods.fields import Batch, Count, Positive, Range, SearchSpace, Steps
from dynamark.methods.lowrank.networks import FactoredNetwork, he_weights, rank_of
from dynamark.methods.lowrank.optimizers import Adam, Full, Momentum, descend
from dynamark.methods.lowrank.projected import LearnedProjection, RandomProjection, SingularProjection, Transfer
from dynamark.tasks.problems import Run, Training

__all__ = ["Flora", "GaLore", "OnlineSubspaceDescent"]


@dataclass(frozen=True)
class GaLore:
    """W <- W - eta scale P Adam(P' dW), P the r leading left singular vectors of dW, computed anew every `every` steps.

    If dW has more rows than columns, its columns are projected. Matrices whose smaller side is at most r, and biases, follow
    plain Adam, so that a rank of at least every side gives `AdamTraining`. W itself stays full: it is the optimizer's memory that
    has low rank.

    transfer: what becomes of Adam's moments under a new P: `rotate` (R m and R^2 v by entries, R = P_new' P_old), `reset`, or
        `keep` as in the official code, where moments of one basis serve another, whose vectors have arbitrary signs.

    Adapted: the paper refreshes every 200 steps with scale 0.25 in pretraining language models; a run has only some 200 steps
    here, and a scale is a rate.

    Source: Zhao, Zhang, Chen, Wang, Anandkumar and Tian, GaLore: memory-efficient LLM training by gradient low-rank projection,
    ICML 2024, algorithm 2.
    key: zhao2024
    """

    rate: Positive = 1e-2
    epochs: Positive = 20.0
    batch: Batch = 128
    rank: Count | None = None
    every: Steps = 50
    scale: Positive = 1.0
    transfer: Transfer = "rotate"
    search_space: ClassVar[SearchSpace] = {
        "rate": (1e-2, 3e-3, 5e-3, 2e-2),
        "every": (50, 20),
        "transfer": ("rotate", "keep"),
    }

    def fit_networks(self, problems: Sequence[Training], runs: Sequence[Run]) -> list[FactoredNetwork]:
        """One network per problem; all seeds are trained in one batch."""
        rank = rank_of(problems[0], self.rank)
        layers = [
            Full(weight, SingularProjection(rank, self.scale, self.every, self.transfer))
            for weight in he_weights(problems, runs)
        ]
        return descend(problems, runs, layers, Adam, self.rate, self.epochs, self.batch)


@dataclass(frozen=True)
class OnlineSubspaceDescent:
    """W <- W - eta scale P Adam(P' dW) and P <- P - eta_P Adam(grad_P |P P'G - G|^2/2), G = dW/|dW|, in every step.

    P starts at the leading singular vectors of the first gradient and is never orthonormalized: the loss itself keeps P'P near I.
    There is no decomposition after the first step. The projected side, unprojected layers and W are as in `GaLore`.

    basis_rate: eta_P.

    Source: Liang, Liu, Chen and Liu, Memory-efficient LLM training with online subspace descent, NeurIPS 2024; like the official
    code without the penalty |P'P - I|^2, and with eta_P = 0.005. Descent through any P: claim C32.
    key: liang2024
    """

    rate: Positive = 1e-2
    epochs: Positive = 20.0
    batch: Batch = 128
    rank: Count | None = None
    basis_rate: Positive = 0.005
    scale: Positive = 1.0
    search_space: ClassVar[SearchSpace] = {"rate": (1e-2, 3e-3, 5e-3, 2e-2), "basis_rate": (0.005, 0.02)}

    def fit_networks(self, problems: Sequence[Training], runs: Sequence[Run]) -> list[FactoredNetwork]:
        """One network per problem; all seeds are trained in one batch."""
        rank = rank_of(problems[0], self.rank)
        layers = [
            Full(weight, LearnedProjection(rank, self.scale, self.basis_rate)) for weight in he_weights(problems, runs)
        ]
        return descend(problems, runs, layers, Adam, self.rate, self.epochs, self.batch)


@dataclass(frozen=True)
class Flora:
    """M <- b M + (1 - b) dW P', W <- W - eta M P with P ~ N(0, 1/r) of size r x in, drawn anew every `every` steps.

    With a new P the momentum M becomes M P_old P'. E dW P'P = dW, at a variance of (in + 1)/r |dW|^2 (claim C49), so that the
    rates are those of gradient descent but smaller. A transfer multiplies E|M|^2 by in/r: momentum must decay between two of
    them, b^every (in/r)^{1/2} < 1. Matrices with at most r columns, and biases, follow plain momentum.

    Adapted: the paper compresses the momentum of Adafactor and refreshes every 1,000 steps; here it is the momentum of gradient
    descent, as in its analysis.

    Source: Hao, Cao and Mou, Flora: low-rank adapters are secretly gradient compressors, ICML 2024, algorithm 2.
    key: hao2024
    """

    rate: Positive = 0.1
    epochs: Positive = 20.0
    batch: Batch = 128
    rank: Count | None = None
    every: Steps = 30
    momentum: Annotated[float, Range(low=0, below=1)] = 0.9
    search_space: ClassVar[SearchSpace] = {"rate": (0.1, 0.03, 0.05, 0.2), "every": (30, 60)}

    def fit_networks(self, problems: Sequence[Training], runs: Sequence[Run]) -> list[FactoredNetwork]:
        """One network per problem; all seeds are trained in one batch."""
        rank = rank_of(problems[0], self.rank)
        layers = [
            Full(weight, RandomProjection(rank, self.every, self.momentum, runs))
            for weight in he_weights(problems, runs)
        ]
        return descend(problems, runs, layers, lambda: Momentum(self.momentum), self.rate, self.epochs, self.batch)
