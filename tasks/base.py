"""The base class of tasks: a frozen dataclass of parameters, with methods that are pure functions of a seed."""

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

# The output of a model as plain arrays: "forecast.<rollout>", "prediction", "factor.<i>", "eigenvalues" ...
Solution = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Metric:
    """Name, unit, direction and description of a score; `lower_is_better` is None for quantities that are only reported."""

    name: str
    unit: str = ""
    lower_is_better: bool | None = True
    about: str = ""


@dataclass(frozen=True)
class Curve:
    """Values over an axis, for example the error by horizon or the regret over time.

    most: maximum number of points stored in a row, evenly spaced; up to 2,000 for an attractor, which needs more than a line.
    """

    name: str
    axis: np.ndarray
    values: np.ndarray
    most: int = 128


@dataclass(frozen=True)
class Scores:
    """The evaluation of a solution: scores, curves and facts, by name. Scores that do not apply are omitted.

    values: values of the metrics declared by the task, including the primary metric.
    facts: properties of the solution that are not scores, such as a category; stored in rows as `fact.<name>`.
    """

    values: Mapping[str, float]
    curves: tuple[Curve, ...] = ()
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """One standardized task instance. The fields are its parameters; the methods are pure functions of (task, seed).

    A subclass defines the kind of problem, the version (increased when the meaning of a score changes), the tiers (the fields
    in which the tiers differ) and the metrics, the primary metric first, and implements `generate`, `problem`, `score`,
    `baseline` and `oracle`.
    """

    name: str = ""
    tier: str = "standard"
    salt: str = ""

    kind: ClassVar[type]
    version: ClassVar[int] = 1
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {"tiny": {}, "standard": {}, "large": {}}
    metrics: ClassVar[tuple[Metric, ...]]
    # Whether skill is computed from the logarithm of the primary score, which is then bounded below by `floor`.
    log_scale: ClassVar[bool] = True
    # Required separation of the skill scale: on every tier and seed, oracle <= margin * baseline (baseline <= margin * oracle
    # if larger is better).
    margin: ClassVar[float] = 0.5
    # Whether the data is expensive to generate and is therefore cached on disk (never with a salt).
    cached: ClassVar[bool] = False

    @classmethod
    def at(cls, tier: str, **fields: Any) -> Task:
        """The instance of this tier; `fields` override its parameters. UserError if the tier or a parameter does not exist."""
        if tier not in cls.tiers:
            raise unknown("tier", tier, list(cls.tiers))
        parameters = {f.name for f in dataclasses.fields(cls)}
        for name in fields:
            if name not in parameters:
                valid = ", ".join(sorted(parameters - _RESERVED))
                raise UserError(f"{cls.__name__} has no parameter '{name}'; it has: {valid}")
        return cls(**{"tier": tier, **cls.tiers[tier], **fields})

    @property
    def family(self) -> str:
        """The family of the task, which is the part of its name before the slash."""
        return self.name.split("/")[0]

    @property
    def primary(self) -> Metric:
        """The metric that the leaderboard ranks by."""
        return self.metrics[0]

    @property
    def floor(self) -> float:
        """Lower bound of the primary score on logarithmic scales: smaller scores are replaced by it."""
        return 0.0

    @property
    def budget(self) -> int | None:
        """Maximum number of training steps or operator passes of a method; None if the method decides."""
        return None

    @property
    def criterion(self) -> Mapping[str, Any]:
        """The validation criterion: a name in `tasks/criteria.py` and the arguments of its function, as plain data."""
        return {"name": "relative_error"}

    @property
    def unavailable(self) -> str | None:
        """Why the instance is unavailable (a missing extra, or recorded data with a salt), as a predicate; None if available."""
        return None

    def fields(self) -> dict[str, Any]:
        """The parameters of the instance, including the tier."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in {"name", "salt"}}

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the name, version, parameters and salt of the instance, as 64 hexadecimal digits."""
        identity = {"name": self.name, "version": self.version, "fields": self.fields(), "salt": self.salt}
        return hashlib.sha256(json.dumps(identity, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def entropy(self, seed: int, axis: str) -> list[int]:
        """Entropy of the seed sequence of this instance, axis ("data" or "method") and seed, as 32-bit words and the seed."""
        words = hashlib.sha256(f"{self.digest}/{axis}".encode()).digest()[:16]
        return [*np.frombuffer(words, dtype=np.uint32).tolist(), seed]

    def rng(self, seed: int, axis: str = "data", *path: int) -> np.random.Generator:
        """A random generator for this instance and seed; each axis and path gives an independent stream."""
        return np.random.default_rng(np.random.SeedSequence(self.entropy(seed, axis), spawn_key=path))

    def data(self, seed: int) -> Mapping[str, np.ndarray]:
        """All random data of the instance, problem data and ground truth; memoized within a process."""
        return _memoized(self, seed)

    @abstractmethod
    def generate(self, seed: int) -> dict[str, np.ndarray]:
        """Generate the data, float64 arrays by name."""

    @abstractmethod
    def problem(self, seed: int) -> Problem:
        """The problem given to a method, including the query."""

    @abstractmethod
    def score(self, solution: Solution, seed: int) -> Scores:
        """The scores of a solution. NaN and infinity in a solution give the worst score, never an exception."""

    @abstractmethod
    def baseline(self, seed: int) -> float:
        """The primary score of a trivial solution, computed from the data."""

    @abstractmethod
    def oracle(self, seed: int) -> float | None:
        """The primary score of the best possible solution, computed from the data; None if unknown."""


_RESERVED = {"name", "salt", "tier"}


@functools.lru_cache(maxsize=16)
def _memoized(task: Task, seed: int) -> Mapping[str, np.ndarray]:
    if task.cached and not task.salt:  # what is held out must not lie where a method could read it
        from dynamark.tasks.cache import cached

        arrays = cached(f"{task.digest[:32]}-{seed}", lambda: task.generate(seed))
    else:
        arrays = task.generate(seed)
    # The rounding of matrix products depends on the memory layout, which may differ between generated and cached arrays.
    return {name: np.asarray(array, order="C") for name, array in arrays.items()}
