"""Handwritten digits: train a small network whose weight matrices have low rank."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy import ndarray

from dynamark.tasks.base import Metric, Scores, Solution, Task
from dynamark.tasks.problems import Training, TrainingQuery

__all__ = ["Digits"]

_TEST = 450
_WORST = 100.0


@functools.cache
def _images() -> tuple[ndarray, ndarray]:
    """The 1797 images of 8 x 8 pixels, scaled to [0, 1], and their labels.

    The test part of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998, UCI Machine Learning Repository,
    CC BY 4.0), whose pixels are integers from 0 to 16.
    """
    with np.load(Path(__file__).parent / "digits.npz") as archive:
        return archive["images"].astype(float) / 16, archive["labels"].astype(float)


@dataclass(frozen=True, kw_only=True)
class Digits(Task):
    """LRNET: classify handwritten digits with a 64-128-128-10 perceptron whose layers have rank `rank`.

    1347 training images and 450 test images, stratified by label. The split is fixed; the seed changes only the
    initialization and the batches. Primary score: error rate on the test images; its standard error is about 0.008.

    key: schotthoefer2022
    """

    rank: int = 16
    width: int = 128

    kind: ClassVar[type] = Training
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {"tiny": {}, "standard": {}}
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("error", about="error rate on held-out images"),
        Metric("cross_entropy", "nat", about="mean negative log-probability of the correct label on held-out images"),
    )

    @property
    def floor(self) -> float:
        """The resolution of the error rate: one wrong label among the held-out images."""
        return 1 / _TEST

    def generate(self, seed: int) -> dict[str, ndarray]:
        """Training and test images with their labels; the stratified split does not depend on the seed."""
        images, labels = _images()
        order = self.rng(0, "split").permutation(len(labels))
        by_label = order[np.argsort(labels[order], kind="stable")]
        positions = np.linspace(0, len(labels) - 1, _TEST).round().astype(int)
        test, train = by_label[positions], np.delete(by_label, positions)
        return {
            "train": images[train],
            "train_labels": labels[train],
            "test": images[test],
            "test_labels": labels[test],
        }

    def problem(self, seed: int) -> Training:
        """Labeled training images, layer widths and rank of the network, and held-out images to classify."""
        data = self.data(seed)
        return Training(
            torch.from_numpy(np.array(data["train"])),
            torch.from_numpy(data["train_labels"].astype(np.int64)),
            (64, self.width, self.width, 10),
            self.rank,
            TrainingQuery(torch.from_numpy(np.array(data["test"]))),
        )

    def score(self, solution: Solution, seed: int) -> Scores:
        """Error rate and cross-entropy; an image with a non-finite logit counts as misclassified."""
        labels, logits = self.data(seed)["test_labels"].astype(int), solution["logits"].astype(float)
        good = np.isfinite(logits).all(axis=1)
        safe = np.where(good[:, None], logits, 0.0)
        shifted = safe - safe.max(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        surprise = np.where(good, np.minimum(-logs[np.arange(len(labels)), labels], _WORST), _WORST)
        return Scores(
            {"error": float(np.mean(~good | (safe.argmax(axis=1) != labels))), "cross_entropy": float(surprise.mean())}
        )

    def baseline(self, seed: int) -> float:
        """The error rate of always predicting the most frequent training label."""
        data = self.data(seed)
        most = np.bincount(data["train_labels"].astype(int)).argmax()
        return float(np.mean(data["test_labels"] != most))

    def oracle(self, seed: int) -> None:
        """None: the best possible error rate is unknown."""
