"""The base class of tasks on recorded data: the content by its digest, the split by time, and the errors of trivial answers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Task
from dynamark.tasks.problems import Trajectories
from dynamark.tasks.recorded import contents

__all__ = ["FEWEST", "NAMES", "PARTS", "Parts", "RecordedTask", "SplitTask", "parted"]

# Least number of samples of a trajectory: its test part has 4.
FEWEST = 20

PARTS = ("train", "validation", "test")

# The trivial answers in words.
NAMES = {"persistence": "persistence", "seasonal": "seasonal persistence", "mean": "the mean"}

# Errors of trivial answers below this part of a standard deviation count as this much: nothing can be divided by zero.
_LEAST = 1e-9


class Parts(NamedTuple):
    """Where the parts of one trajectory end: [0, train), [train, validation), [validation, end)."""

    train: int
    validation: int
    end: int

    def range(self, part: str) -> tuple[int, int]:
        """First sample of a part, and the sample after its last."""
        starts = {"train": 0, "validation": self.train, "test": self.validation}
        return starts[part], getattr(self, "end" if part == "test" else part)


def parted(length: int) -> Parts:
    """The first 60 % of a trajectory for training, the next 20 % for validation, and the rest for the test."""
    return Parts(length * 3 // 5, length * 4 // 5, length)


@dataclass(frozen=True, kw_only=True)
class RecordedTask(Task):
    """A recording, identified by the SHA-256 of its content; the path from which it was read is not part of the task.

    source: name of the recording. content: the digest. channels, inputs, time, trajectory: names of the columns. dt: time between
    samples.
    No oracle is known, so methods have ranks and no skill. The primary score is the error divided by that of the best of three
    trivial answers: persistence (the last value), seasonal persistence (the value one period ago) and the mean of the training
    data; their errors are reported. The data is the same for every tier and seed (a
    seed initializes the method), and scores do not depend on the name.
    """

    source: str = ""
    content: str = ""
    channels: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    time: str = ""
    trajectory: str = ""
    dt: float = 1.0

    # The word for the kind of task in `recorded(goal=...)`.
    goal: str = ""

    @property
    def unavailable(self) -> str | None:
        """A reason if a salt is given: no other data can be generated."""
        return "is a recording, of which a salt gives no other data; leave --salt out" if self.salt else None

    def entropy(self, seed: int, axis: str) -> list[int]:
        """Entropy of the seed alone: neither names nor the units of the data change a score."""
        return Task.entropy(type(self)(name="recorded"), seed, axis)

    def generate(self, seed: int) -> dict[str, ndarray]:
        """The recording, the same for all seeds."""
        return contents.load(self.content, self.source)

    def baseline(self, seed: int) -> float:
        """1: the primary score is relative to the best trivial answer."""
        return 1.0

    def oracle(self, seed: int) -> None:
        """None: the best possible score is unknown."""

    def summary(self, seed: int = 0) -> str:
        """One line: the samples, the columns, the options, and the trivial answer that errors are relative to."""
        count, trajectories = len(self.data(seed)["observations"]), len(self.data(seed)["lengths"])
        errors = self.trivial(seed)
        best = min(errors, key=errors.__getitem__)
        options = [
            f"{name} {getattr(self, name)}" for name in ("context", "horizon", "period", "rank") if hasattr(self, name)
        ]
        parts = [
            f"{count} samples" + (f" in {trajectories} trajectories" if trajectories > 1 else ""),
            f"channels {', '.join(self.channels)}",
            *([f"inputs {', '.join(self.inputs)}"] if self.inputs else []),
            f"dt {self.dt:.6g}" + (f" (column {self.time})" if self.time else ""),
            *options,
            f"errors relative to {NAMES[best]} ({errors[best]:.3g})",
        ]
        return f"{self.name}: {'; '.join(parts)}"

    @abstractmethod
    def trivial(self, seed: int) -> Mapping[str, float]:
        """The errors of trivial answers, by name: persistence, seasonal (where there is a period) and mean."""

    def relative(self, error: float, seed: int) -> dict[str, float]:
        """The scores that all kinds have: the error relative to the best trivial answer, and the errors of these."""
        errors = self.trivial(seed)
        return {"relative_error": error / max(_LEAST, min(errors.values())), **errors}


@dataclass(frozen=True, kw_only=True)
class SplitTask(RecordedTask):
    """A recording of one or several trajectories, each split by time: 60 % training, 20 % validation, 20 % test.

    period: samples of a season, for seasonal persistence; 1 if there is none. updates: training steps of a method that is trained
    by gradients, the only difference between the tiers.
    """

    period: int = 1
    updates: int = 1500

    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"updates": 300},
        "standard": {},
        "large": {"updates": 20_000},
    }

    @property
    def budget(self) -> int:
        """Training steps: the same for every method that is trained by gradients."""
        return self.updates

    def lengths(self, seed: int) -> list[int]:
        """Samples of each trajectory."""
        return [int(length) for length in self.data(seed)["lengths"]]

    def pieces(self, name: str, seed: int) -> list[Float[ndarray, "time ..."]]:
        """An array of the recording, by trajectory."""
        return np.split(self.data(seed)[name], np.cumsum(self.lengths(seed))[:-1])

    def part(self, part: str, seed: int) -> Trajectories:
        """The training, validation or test part of all trajectories; `lengths` if they differ."""
        ranges = [parted(length).range(part) for length in self.lengths(seed)]
        sizes = [end - start for start, end in ranges]

        def cut(name: str) -> torch.Tensor | None:
            if name not in self.data(seed):
                return None
            pieces = [piece[start:end] for piece, (start, end) in zip(self.pieces(name, seed), ranges, strict=True)]
            return torch.from_numpy(padded(pieces, max(sizes)))

        observations = cut("observations")
        assert observations is not None
        lengths = torch.tensor(sizes) if len(set(sizes)) > 1 else None
        return Trajectories(observations, cut("inputs"), self.dt, cut("gaps"), lengths=lengths)

    def units(self, seed: int) -> tuple[Float[ndarray, " channels"], Float[ndarray, " channels"]]:
        """Mean and standard deviation of each channel over the training parts."""
        train = np.concatenate(
            [y[: parted(len(y)).train] for y in self.pieces("observations", seed)]  # of unequal length
        )
        return train.mean(axis=0), train.std(axis=0)


def padded(pieces: list[ndarray], length: int) -> ndarray:
    """Pieces stacked, the shorter ones continued by their last value."""
    return np.stack([np.pad(p, [(0, length - len(p)), *[(0, 0)] * (p.ndim - 1)], mode="edge") for p in pieces])
