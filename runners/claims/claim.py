"""What a claim is: a paper's statement, the rows that it needs, the quantities to measure on them, and what must hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from dynamark.runners.claims.relations import Relation

if TYPE_CHECKING:
    from dynamark.runners.claims.columns import Rows

__all__ = [
    "EMPIRICAL",
    "PILOT",
    "THEOREM",
    "UNTRAINED",
    "VERDICTS",
    "Change",
    "Check",
    "Claim",
    "Experiment",
    "Interval",
    "Kind",
    "Need",
    "Quantity",
    "Runs",
    "Verdict",
]

Kind = Literal["theorem", "empirical"]
THEOREM: Kind = "theorem"  # a failure is a bug until shown otherwise
EMPIRICAL: Kind = "empirical"  # a failure is a result

# "confounded": the checks hold, but a fair control explains them without the claim.
Verdict = Literal["reproduced", "not reproduced", "confounded", "inconclusive", "not run"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

# In the note of a claim whose threshold is not the paper's and was chosen after a trial measurement.
PILOT = "Margin from a pilot: this relation was set after a pilot on other draws, so the verdict is the one on salted seeds."

# What stands for a convergence check where there is no training budget that could be doubled.
UNTRAINED = "nothing is trained: every quantity is computed in closed form or by a solver run to its tolerance"


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval.

    Of an exact quantity low = value = high; of a random one that was drawn once, low = -inf and high = inf.
    """

    value: float
    low: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> Interval:
        """A quantity without spread."""
        return cls(float(value), float(value), float(value))

    @classmethod
    def unbounded(cls, value: float) -> Interval:
        """One draw of a random quantity: it says nothing of the spread."""
        return cls(float(value), -float("inf"), float("inf"))


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
    """A measurement of its own that a claim needs: its name in `runners/claims/experiments.py`, and its fields.

    A claim of your own names `path/file.py:Class`.
    """

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 1


Need = Runs | Experiment

# From the rows of a claim to the quantity.
Quantity = Callable[["Rows"], Interval]


@dataclass(frozen=True)
class Check:
    """One inequality: a quantity computed from the claim's rows, and the relation that it must satisfy.

    what: the quantity in a few words, for instance "exponent of the rate in the initialization scale".
    quantity: from the rows of the claim (see `rows.Rows`) to the quantity; `quantities.py` has the usual ones.
    holds: None reports the quantity without a threshold.
    exact: why a quantity of an empirical claim has no interval, for instance because no random number enters.
    """

    what: str
    quantity: Quantity
    holds: Relation | None
    exact: str = ""


@dataclass(frozen=True)
class Change:
    """What changed in a claim after its relation was registered.

    version: of dynamark. what: the change. why: its reason. before: the verdict that was published before it.
    """

    version: str
    what: str
    why: str
    before: Verdict | None = None


@dataclass(frozen=True)
class Claim:
    """A statement of a paper as checks on rows. Its id is the name under which its module holds it.

    paper: BibTeX key (in leaderboard/papers.bib), a reference in words, or "dynamark" for a claim of our own.
    statement: one sentence, our own words.
    needs: runs and experiments, with the number of seeds of the first look.
    checks: all must hold.
    controls: what must be said beside it: quantities that confound or bound the claim; they do not decide.
    fair_controls: what would give the same quantities if the claim were not true, as checks that must hold too. Where the
        checks hold and a fair control does not, the verdict is "confounded".
    published: the paper's own number, as text; None where it gives none.
    note: what a reader must know, for instance why a claim does not reproduce.
    looks: fixed before measuring. Factors of the number of seeds at each look at the data. A later look is taken only when the
        earlier ones were inconclusive; the error level .05 is spent in equal parts over the looks.
    convergence: the same needs with twice the training budget, to which the same checks are applied; or why there is no
        budget to double. A negative verdict of an empirical claim counts only when doubling leaves each failing quantity
        within its interval.
    registered: the version of dynamark in which the relations were fixed. changes: what changed since.
    """

    paper: str
    kind: Kind
    statement: str
    needs: Sequence[Need]
    checks: Sequence[Check]
    controls: Sequence[Check] = ()
    fair_controls: Sequence[Check] = ()
    published: str | None = None
    note: str = ""
    looks: tuple[int, ...] = (1,)
    convergence: Sequence[Need] | str = ()
    registered: str = ""
    changes: tuple[Change, ...] = ()

    @property
    def level(self) -> float:
        """Confidence level of every interval, the same at each look: 1 - .05 / (number of looks)."""
        return 1 - 0.05 / len(self.looks)
