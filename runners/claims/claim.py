"""What a claim is: a paper's statement, the rows that it needs, the quantities to measure on them, and what must hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

__all__ = [
    "EMPIRICAL",
    "THEOREM",
    "Above",
    "Below",
    "Between",
    "Check",
    "Claim",
    "Experiment",
    "Measured",
    "Relation",
    "Runs",
    "Verdict",
]

Kind = Literal["theorem", "empirical"]
THEOREM: Kind = "theorem"  # a failure is a bug until shown otherwise
EMPIRICAL: Kind = "empirical"  # a failure is a finding

Verdict = Literal["reproduced", "not reproduced", "inconclusive", "not run"]


@dataclass(frozen=True)
class Measured:
    """A quantity with its interval; without one (exact quantities) low = high = value."""

    value: float
    low: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> Measured:
        """A quantity without spread."""
        return cls(float(value), float(value), float(value))


@runtime_checkable
class Relation(Protocol):
    """What a quantity must satisfy."""

    def holds(self, value: float) -> bool:
        """Whether it does."""
        ...

    def __str__(self) -> str: ...


@dataclass(frozen=True)
class Below:
    """value <= limit."""

    limit: float

    def holds(self, value: float) -> bool:
        """Whether the value is at most the limit."""
        return value <= self.limit

    def __str__(self) -> str:
        return f"≤ {self.limit:g}"


@dataclass(frozen=True)
class Above:
    """value >= limit."""

    limit: float

    def holds(self, value: float) -> bool:
        """Whether the value is at least the limit."""
        return value >= self.limit

    def __str__(self) -> str:
        return f"≥ {self.limit:g}"


@dataclass(frozen=True)
class Between:
    """low <= value <= high."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether the value lies between the limits."""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"in [{self.low:g}, {self.high:g}]"


@dataclass(frozen=True)
class Runs:
    """Runs that a claim needs: a task and a method by name, with fields that differ from their defaults."""

    task: str
    method: str
    fields: Mapping[str, Any] = field(default_factory=dict)  # of the method
    task_fields: Mapping[str, Any] = field(default_factory=dict)
    tier: str = "tiny"
    seeds: int = 3


@dataclass(frozen=True)
class Experiment:
    """A measurement of its own that a claim needs: its name in `runners/experiments/catalog.py`, and its fields."""

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 1


# From the rows of a claim, a pandas.DataFrame, to the quantity. (pandas is not imported for a type.)
Measure = Callable[[Any], Measured]


@dataclass(frozen=True)
class Check:
    """One inequality: a quantity measured on the claim's rows, and the relation that it must satisfy.

    what: the quantity in a few words, for instance "exponent of the rate in the start scale".
    measure: from the rows of the claim (see `rows.select`) to the quantity; `measures.py` has the usual ones.
    holds: None reports the quantity without a threshold.
    """

    what: str
    measure: Measure
    holds: Relation | None


@dataclass(frozen=True)
class Claim:
    """A statement of a paper as checks on rows. Its id is the name under which its module holds it.

    paper: BibTeX key (in leaderboard/papers.bib), or "dynamark" for a claim of our own.
    statement: one sentence, our own words.
    checks: all must hold.
    controls: what must be said beside it: quantities that confound or bound the claim; they do not decide.
    published: the paper's own number, as text; None where it gives none.
    note: what a reader must know, for instance why a claim does not reproduce.
    """

    paper: str
    kind: Kind
    statement: str
    needs: Sequence[Runs | Experiment]
    checks: Sequence[Check]
    controls: Sequence[Check] = ()
    published: str | None = None
    note: str = ""
