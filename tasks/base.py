"""What a task is: a frozen dataclass of parameters with pure functions of a seed."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from dynamark.errors import UserError, unknown
from dynamark.tasks.problems import Problem

__all__ = ["Curve", "Metric", "Scores", "Solution", "Task"]

# The model's answers as plain arrays: "forecast.<rollout>", "prediction", "factor.<i>", "eigenvalues" ...
Solution = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Metric:
    """Name, unit and direction of a score; `lower_is_better` is None for a quantity that is only reported."""

    name: str
    unit: str = ""
    lower_is_better: bool | None = True
    about: str = ""


@dataclass(frozen=True)
class Curve:
    """Numbers over an axis: error by horizon, regret over time.

    most: points that a row keeps, evenly spread; a picture (an attractor) needs more than a line, up to 2,000.
    """

    name: str
    axis: np.ndarray
    values: np.ndarray
    most: int = 128


@dataclass(frozen=True)
class Scores:
    """What a solution is worth: scores by name, curves, and facts. A score that does not apply is left out.

    values: scores that the task declares as metrics; the primary one among them.
    facts: what is said of the answer and is no score, such as a category; rows hold them as `fact.<name>`.
    """

    values: Mapping[str, float]
    curves: tuple[Curve, ...] = ()
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """One standardized instance. Its fields are its parameters; its methods are pure functions of (task, seed).

    A subclass states the kind of its problem, its version (raised when the meaning of a score changes), its tiers (the
    fields in which the tiers differ) and its metrics, the primary one first, and says how an instance is generated, posed
    and scored.
    """

    name: str = ""
    tier: str = "standard"
    salt: str = ""

    kind: ClassVar[type]
    version: ClassVar[int] = 1
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {"tiny": {}, "standard": {}, "large": {}}
    metrics: ClassVar[tuple[Metric, ...]]
    # Whether skill is measured on the logarithm of the primary score, and the least score that counts.
    log_scale: ClassVar[bool] = True
    # The two ends of the scale lie apart: on every tier and seed the oracle scores at most this share of the baseline (the
    # baseline at most this share of the oracle, where larger is better).
    margin: ClassVar[float] = 0.5
    # Whether the data is expensive, so that it is cached on disk.
    cached: ClassVar[bool] = False

    @classmethod
    def at(cls, tier: str, **fields: Any) -> Task:
        """The instance of this tier; `fields` override its parameters."""
        if tier not in cls.tiers:
            raise unknown("tier", tier, list(cls.tiers))
        known = {f.name for f in dataclasses.fields(cls)}
        for name in fields:
            if name not in known:
                raise UserError(f"{cls.__name__} has no parameter '{name}'; it has: {', '.join(sorted(known - _OWN))}")
        return cls(**{"tier": tier, **cls.tiers[tier], **fields})

    @property
    def family(self) -> str:
        """The family: the part of the name before the slash."""
        return self.name.split("/")[0]

    @property
    def primary(self) -> Metric:
        """The metric that the leaderboard ranks by."""
        return self.metrics[0]

    @property
    def floor(self) -> float:
        """Scores below this count as this much; only for logarithmic scales."""
        return 0.0

    @property
    def budget(self) -> int | None:
        """Steps or passes that a method may take at most; None leaves it to the method."""
        return None

    @property
    def criterion(self) -> Mapping[str, Any]:
        """How a model is judged on validation data: a name of `tasks/criteria.py` and its arguments, plain data."""
        return {"name": "relative_error"}

    @property
    def unavailable(self) -> str | None:
        """Why there is no such instance here (an extra is missing; no salt makes it anew), said of the task; None if there is."""
        return None

    def fields(self) -> dict[str, Any]:
        """The parameters of the instance, the tier among them."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in {"name", "salt"}}

    @functools.cached_property
    def digest(self) -> str:
        """What the instance is, in 64 hexadecimal digits: its name, version, parameters and salt."""
        told = {"name": self.name, "version": self.version, "fields": self.fields(), "salt": self.salt}
        return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def entropy(self, seed: int, axis: str) -> list[int]:
        """The words of a seed sequence that belongs to this instance, this axis ("data", "method") and this seed."""
        words = hashlib.sha256(f"{self.digest}/{axis}".encode()).digest()[:16]
        return [*np.frombuffer(words, dtype=np.uint32).tolist(), seed]

    def rng(self, seed: int, axis: str = "data", *path: int) -> np.random.Generator:
        """Random numbers of this instance and seed; each axis and path is an independent stream."""
        return np.random.default_rng(np.random.SeedSequence(self.entropy(seed, axis), spawn_key=path))

    def data(self, seed: int) -> Mapping[str, np.ndarray]:
        """Everything random about the instance: what is handed out and the truth. Generated once a process."""
        return _remembered(self, seed)

    @abstractmethod
    def generate(self, seed: int) -> dict[str, np.ndarray]:
        """Make the data: float64 arrays by name."""

    @abstractmethod
    def problem(self, seed: int) -> Problem:
        """What a method is handed, with the query."""

    @abstractmethod
    def score(self, solution: Solution, seed: int) -> Scores:
        """What the answers are worth. Answers may hold NaN and infinity: they get the worst score, not an error."""

    @abstractmethod
    def baseline(self, seed: int) -> float:
        """The primary score of a trivial answer, computed."""

    @abstractmethod
    def oracle(self, seed: int) -> float | None:
        """The primary score of the best possible answer, computed; None where it is unknown."""


_OWN = {"name", "salt", "tier"}


@functools.lru_cache(maxsize=16)
def _remembered(task: Task, seed: int) -> Mapping[str, np.ndarray]:
    if task.cached:
        from dynamark.tasks.cache import cached

        arrays = cached(f"{task.digest[:32]}-{seed}", lambda: task.generate(seed))
    else:
        arrays = task.generate(seed)
    # Bits of matrix products follow the memory layout, and that of fresh arrays differs from that of the cache.
    return {name: np.asarray(array, order="C") for name, array in arrays.items()}
