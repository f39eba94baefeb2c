"""Structured linear CDEs on the word problem of a group: what one layer of each structure can track."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from dynamark.methods.sequence.controlled import Maps, MapsKind
from dynamark.methods.sequence.stack import Affine
from dynamark.methods.training import Recipe, train
from dynamark.tasks.base import Curve, Scores
from dynamark.tasks.lds.state_tracking import solved_length
from dynamark.tasks.numerics.groups import abelian_index, running_products, table_of
from dynamark.tasks.problems import Run

__all__ = ["MapCounts", "WordProblem"]


class _Tracker(nn.Module):
    """Logits of the product at every letter: W norm(h_t) + b, h_t = h_{t-1} + A_{x_t} h_{t-1}, h_{-1} trained."""

    def __init__(self, experiment: WordProblem, order: int, draw: torch.Generator) -> None:
        super().__init__()
        states = experiment.states
        self.maps = Maps(experiment.structure, order, states, draw, experiment.size, block=experiment.block)
        self.start = nn.Parameter(torch.randn(states, generator=draw))
        self.norm = nn.LayerNorm(states)
        self.head = Affine(states, order, draw)

    def forward(self, letters: Int[Tensor, "word time"]) -> Float[Tensor, "word time order"]:
        nothing = self.start.new_zeros(*letters.shape, len(self.start))
        h = self.maps.scan(self.maps.of_tokens(letters), nothing, torch.ones_like(self.start), self.start)
        return self.head(self.norm(h))


def _cross_entropy(network: Callable[[Tensor], Tensor], letters: Tensor, products: Tensor, weights: Tensor) -> Tensor:
    """Mean over the letters that count: words of a batch have equal length, and later letters have weight 0."""
    chosen = network(letters).log_softmax(-1).gather(-1, products[..., None])[..., 0]
    return -(chosen * weights).sum() / weights.sum()


@dataclass(frozen=True)
class WordProblem:
    """The product y_t = x_t y_{t-1} of uniform letters of a group, by one linear recurrence with a matrix A_x for each letter.

    The matrices are learned per letter, which is embedding and input map in one. Trained on fresh words of uniform length 2 to
    `train_length`, with the product known at every letter, by AdamW (weight decay 0.01, one cycle, gradients clipped at 1).
    accuracy_<n>: share of right products after n letters, on `test` fresh words. solved_length: the longest words up to which
    90 % are right. above_bound: accuracy at 24 letters less 1/|[G, G]|, which no function of the letters' counts exceeds on
    long words; diagonal matrices commute, so their state is such a function.
    Source: Walker et al. 2025, section 5, with one layer, without mixing batches of short words, penalty and further blocks.
    """

    structure: MapsKind = "block"
    group: str = "a5"
    states: int = 60
    block: int = 5
    size: float = 0.5
    steps: int = 4000
    rate: float = 1e-2
    batch: int = 128
    train_length: int = 12
    test: int = 512
    lengths: tuple[int, ...] = (12, 24, 48, 96, 192)

    def measure(self, run: Run) -> Scores:
        """Accuracies by length, and the loss reached."""
        network = _Tracker(self, len(table_of(self.group)), run.generator)
        recipe = Recipe(steps=self.steps, rate=self.rate, weight_decay=0.01)
        (trained,) = train([network], _cross_entropy, lambda _, own: self._batch(own), [run], recipe)
        letters = run.numpy.integers(len(table_of(self.group)), size=(self.test, self.lengths[-1]))
        with torch.no_grad():
            answer = trained(torch.from_numpy(letters)).argmax(-1).numpy()
            loss = float(_cross_entropy(trained, *self._batch(run)))
        right = np.mean(answer == running_products(self.group, letters), axis=0)
        values = {f"accuracy_{n}": float(right[n - 1]) for n in self.lengths}
        values["above_bound"] = values["accuracy_24"] - 1 / abelian_index(self.group)
        values |= {"solved_length": float(solved_length(right)), "loss": loss}
        return Scores(values, (Curve("accuracy_by_length", np.arange(1.0, len(right) + 1), right),))

    def _batch(self, run: Run) -> tuple[Tensor, Tensor, Tensor]:
        """Letters, products and weights [word, time] of fresh words of one length."""
        letters = run.numpy.integers(len(table_of(self.group)), size=(self.batch, self.train_length))
        length = int(run.numpy.integers(2, self.train_length + 1))
        weights = torch.zeros(letters.shape)
        weights[:, :length] = 1
        return torch.from_numpy(letters), torch.from_numpy(running_products(self.group, letters)), weights


@dataclass(frozen=True)
class MapCounts:
    """The numbers of parameters of all structures with D channels and d states, over their formulas.

    diag and wh: D d; block: D d b; dplr: D d (1 + 2 r); sparse: D p d^2; dense: D d^2.
    """

    channels: int = 5
    states: int = 128
    block: int = 4
    rank: int = 3
    density: float = 0.125

    def measure(self, run: Run) -> Scores:
        """`excess_<structure>`: parameters less the formula."""
        wide = self.channels * self.states
        expected: dict[MapsKind, float] = {
            "diag": wide,
            "wh": wide,
            "block": wide * self.block,
            "dplr": wide * (1 + 2 * self.rank),
            "sparse": wide * self.density * self.states,
            "dense": wide * self.states,
        }
        values = {}
        for kind, count in expected.items():
            options = {"block": self.block, "rank": self.rank, "density": self.density}
            maps = Maps(kind, self.channels, self.states, run.generator, 0.5, **options)  # type: ignore[arg-type]
            values[f"excess_{kind}"] = sum(p.numel() for p in maps.parameters()) - count
        return Scores(values)
