"""Tracking the state of a finite group: the product of all letters so far, on words longer than those of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Int
from numpy import ndarray

from dynamark.errors import UserError
from dynamark.tasks.base import Curve, Metric, Scores, Solution, Task
from dynamark.tasks.lds.base import bounded
from dynamark.tasks.numerics.groups import running_products, table_of
from dynamark.tasks.problems import Forecasting, ForecastingQuery, Rollout, Trajectories

__all__ = ["StateTracking", "solved_length"]


@dataclass(frozen=True, kw_only=True)
class StateTracking(Task):
    """y_t = x_t y_{t-1}, y_{-1} = e: the running product of uniform letters of a group, from the letters alone.

    Inputs and outputs are one-hot; the answer is the largest output. A forecast from rest: with y_{t-1} given, every letter would
    be a problem of its own. Training words have `train_length` letters, and since every prefix of a word is a word, they contain
    all shorter ones; test words have `length` letters. Primary score: the share of right answers at the letter 2 `train_length`.
    group: `c2`, `v4` (Klein), `c6` (cyclic), `s3`, `a5`. Source: section 5 of the paper (A5 without its curriculum of lengths).

    key: walker2025
    """

    group: str = "a5"
    train_length: int = 12
    length: int = 192
    train: int = 4096
    validation: int = 256
    test: int = 256

    kind: ClassVar[type] = Forecasting
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"group": "s3", "length": 48, "train": 512, "validation": 64, "test": 64},
        "standard": {},
        "large": {"length": 768, "train": 65536, "test": 1024},
    }
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("accuracy", lower_is_better=False, about="share of right products at twice the training length"),
        Metric("accuracy_trained", lower_is_better=False, about="share of right products at the training length"),
        Metric("accuracy_end", lower_is_better=False, about="share of right products at the last letter"),
        Metric(
            "solved_length", lower_is_better=False, about="longest words with 90 % right products, as all shorter ones"
        ),
    )
    log_scale: ClassVar[bool] = False

    def __post_init__(self) -> None:
        table_of(self.group)
        if self.length < 2 * self.train_length:
            raise UserError(
                f"length = {self.length}: test words need at least twice the {self.train_length} letters of training"
            )

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Letters and running products of each part, as numbers."""
        order, data = len(table_of(self.group)), {}
        for path, part in enumerate(("train", "validation", "test")):
            shape = (getattr(self, part), self.length if part == "test" else self.train_length)
            data[f"{part}.letters"] = self.rng(seed, "data", path).integers(order, size=shape)
            data[f"{part}.products"] = running_products(self.group, data[f"{part}.letters"])
        return data

    def problem(self, seed: int) -> Forecasting:
        """Training words; the query: the running products of the test words."""
        train, validation = (
            Trajectories(self._one_hot(seed, f"{part}.products"), self._one_hot(seed, f"{part}.letters"))
            for part in ("train", "validation")
        )
        u = self._one_hot(seed, "test.letters")
        empty = Trajectories(u[:, :0], u[:, :0])
        query = ForecastingQuery({"words": Rollout(empty, self.length, u)})
        return Forecasting(train, validation, context=0, query=query)

    def _one_hot(self, seed: int, name: str) -> torch.Tensor:
        numbers: Int[ndarray, "word time"] = self.data(seed)[name]
        return torch.from_numpy(np.eye(len(table_of(self.group)))[numbers])

    def score(self, solution: Solution, seed: int) -> Scores:
        """The share of right products by length."""
        truth = self.data(seed)["test.products"]
        answer = bounded(solution["forecast.words"], (*truth.shape, len(table_of(self.group))))
        right = np.mean(answer.argmax(axis=2) == truth, axis=0)
        values = {
            "accuracy": float(right[2 * self.train_length - 1]),
            "accuracy_trained": float(right[self.train_length - 1]),
            "accuracy_end": float(right[-1]),
            "solved_length": float(solved_length(right)),
        }
        return Scores(values, (Curve("accuracy_by_length", np.arange(1, self.length + 1), right),))

    def baseline(self, seed: int) -> float:
        """1/|G|, the expected share of any constant answer."""
        return 1 / len(table_of(self.group))

    def oracle(self, seed: int) -> float:
        """1, the share of the products themselves."""
        return 1.0


def solved_length(right: ndarray, share: float = 0.9) -> int:
    """The largest number of letters up to which the accuracy [length] is at least `share` at every length."""
    failures = np.flatnonzero(~(right >= share))
    return int(failures[0]) if len(failures) else len(right)
