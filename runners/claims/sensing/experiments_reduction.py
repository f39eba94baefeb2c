"""Ranks by one threshold for all matrices against equal shares, at the same total rank, on a trained network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.lowrank.direct import FullTraining
from dynamark.methods.lowrank.networks import FactoredNetwork
from dynamark.methods.lowrank.welore import ranks_within, truncated
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.digits import Digits

__all__ = ["RankReduction", "equal_shares"]


def equal_shares(sizes: Sequence[int], total: int) -> list[int]:
    """Ranks in proportion to the number of singular values of each matrix, of this sum, at least 1 each: largest remainders."""
    exact = [size * total / sum(sizes) for size in sizes]
    ranks = [max(1, int(share)) for share in exact]
    order = sorted(range(len(sizes)), key=lambda i: int(exact[i]) - exact[i])
    for i in order[: max(0, total - sum(ranks))]:
        ranks[i] += 1
    return ranks


@dataclass(frozen=True)
class RankReduction:
    """Points of accuracy that WeLore's ranks keep against equal shares of the same total rank, without fine-tuning.

    A network of stochastic gradient descent, 64-128-...-128-10 with `hidden` layers of 128; `pruned`, the shares of all singular
    values that go. `whole`: the output layer stays full in both and does not count. Scores, in points of the test images:
    `gain_<100 share>`; `full`, the error before; `uneven_<100 share>` and `even_<100 share>`, errors after; and
    `removed_<100 share>`, the share that went.
    Source: Jaiswal, Yin, Zhang, Liu, Zhao, Tian and Wang, From GaLore to WeLore, 2024.
    """

    hidden: int = 2
    whole: bool = False
    epochs: float = 60.0
    pruned: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8)

    def measure(self, run: Run) -> Scores:
        """Reduce one network to all shares of its units."""
        task = Digits()
        problem, labels = task.problem(0), torch.from_numpy(task.data(0)["test_labels"].astype(int))  # a fixed split
        assert problem.query is not None
        problem = replace(problem, widths=(64, *([128] * self.hidden), 10))
        (network,) = FullTraining(epochs=self.epochs).fit_networks([problem], [Run(run.entropy)])
        weights = [factors[0] for factors in network.factors]
        reduced = weights[: -1 if self.whole else None]
        spectra = [torch.linalg.svdvals(w) for w in reduced]
        sizes = [len(values) for values in spectra]

        def error(ranks: Sequence[int]) -> float:
            low = [_product(w, rank) for w, rank in zip(reduced, ranks, strict=True)] + weights[len(reduced) :]
            answer = FactoredNetwork(tuple((w,) for w in low), network.biases).logits(problem.query.inputs)  # type: ignore[union-attr]
            return 100 * float((answer.argmax(1) != labels).double().mean())

        scores = {"full": error(sizes)}
        for share in self.pruned:
            ranks, _ = ranks_within(spectra, round(sum(sizes) * (1 - share)))
            uneven, even, name = error(ranks), error(equal_shares(sizes, sum(ranks))), round(100 * share)
            scores |= {f"uneven_{name}": uneven, f"even_{name}": even, f"gain_{name}": even - uneven}
            scores[f"removed_{name}"] = 1 - sum(ranks) / sum(sizes)
        return Scores(scores)


def _product(weight: Float[Tensor, "out in"], rank: int) -> Float[Tensor, "out in"]:
    left, right = truncated(weight[None], rank)
    return (left @ right)[0]
