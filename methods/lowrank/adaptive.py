"""Adam and Lion on full matrices: the rivals of everything that trains fewer numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from dynamark.methods.fields import Batch, Penalty, Positive, Range, SearchSpace
from dynamark.methods.lowrank.networks import FactoredNetwork, he_weights
from dynamark.methods.lowrank.optimizers import Adam, Full, Lion, descend
from dynamark.tasks.problems import Run, Training

__all__ = ["AdamTraining", "LionTraining"]


@dataclass(frozen=True)
class AdamTraining:
    """W <- W - eta m^/(sqrt(v^) + eps) with bias-corrected moments m^ of dW and v^ of its square: Adam on full matrices.

    The network, its initialization and the batches are those of `FullTraining`. One gradient per step.

    beta1, beta2: decay of the first and of the second moment.

    Source: Kingma and Ba, Adam: a method for stochastic optimization, ICLR 2015, algorithm 1.
    key: kingma2015
    """

    rate: Positive = 5e-3
    epochs: Positive = 20.0
    batch: Batch = 128
    beta1: Annotated[float, Range(low=0, below=1)] = 0.9
    beta2: Annotated[float, Range(low=0, below=1)] = 0.999
    search_space: ClassVar[SearchSpace] = {"rate": (5e-3, 2e-3, 1e-2, 2e-2)}

    def fit_networks(self, problems: Sequence[Training], runs: Sequence[Run]) -> list[FactoredNetwork]:
        """One network per problem; all seeds are trained in one batch."""

        def rule() -> Adam:
            return Adam((self.beta1, self.beta2))

        layers = [Full(weight, rule()) for weight in he_weights(problems, runs)]
        return descend(problems, runs, layers, rule, self.rate, self.epochs, self.batch)


@dataclass(frozen=True)
class LionTraining:
    """W <- W - eta (sign(b1 M + (1 - b1) dW) + lambda W), then M <- b2 M + (1 - b2) dW: Lion on full matrices.

    Every entry moves by eta in each step, so that rates are 3 to 10 times below Adam's. With lambda = `decay` > 0 the iterates
    tend to the box |W| <= 1/lambda. The network, its initialization and the batches are those of `FullTraining`. One gradient per
    step.

    Source: Chen, Liang, Huang, Real, Wang, Liu, Pham, Dong, Luong, Hsieh, Lu and Le, Symbolic discovery of optimization
    algorithms, NeurIPS 2023, program 1; its theory: Chen, Liu, Liang and Liu 2024 (claim C35).
    key: chen2023
    """

    rate: Positive = 1e-3
    epochs: Positive = 20.0
    batch: Batch = 128
    beta1: Annotated[float, Range(low=0, below=1)] = 0.9
    beta2: Annotated[float, Range(low=0, below=1)] = 0.99
    decay: Penalty = 0.0
    search_space: ClassVar[SearchSpace] = {"rate": (1e-3, 3e-4, 5e-4, 2e-3), "decay": (0.0, 0.1)}

    def fit_networks(self, problems: Sequence[Training], runs: Sequence[Run]) -> list[FactoredNetwork]:
        """One network per problem; all seeds are trained in one batch."""

        def rule() -> Lion:
            return Lion((self.beta1, self.beta2))

        layers = [Full(weight, rule(), self.decay) for weight in he_weights(problems, runs)]
        return descend(problems, runs, layers, rule, self.rate, self.epochs, self.batch, self.decay)
