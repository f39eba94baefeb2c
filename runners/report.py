"""What `run` returns: the plan, the results folder, and what became of the runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynamark.results.environment import Elsewhere
from dynamark.results.schema import Row
from dynamark.runners.plan.recall import Recalled

if TYPE_CHECKING:
    from dynamark.runners.plan.expand import Plan

__all__ = ["Report"]

# The number of failures that a report lists; further ones are only counted.
_SHOWN = 5


@dataclass(repr=False)
class Report:
    """The outcome of `run`: the plan, the results folder, and what became of the runs.

    plan: all planned runs, and the combinations of task and method that were skipped. Of a plan that an earlier command made,
        the runs are planned again when they are asked for.
    store: the results folder.
    skipped: number of cached runs.
    statuses: number of executed runs by status, for example {"ok": 4}.
    failures: the rows of failed runs.
    to_do, hours: of a dry run, the number of runs that are not cached, and their predicted hours on two cores (None if no
        published result allows a prediction).
    sandbox: whether the methods ran in a sandbox.
    elsewhere: of the cached runs, those that other versions of torch, NumPy, SciPy or numba made.
    """

    plan: Plan | Recalled
    store: Path
    skipped: int
    statuses: Counter[str] = field(default_factory=Counter)
    failures: list[Row] = field(default_factory=list)
    to_do: int | None = None
    hours: float | None = None
    sandbox: bool = False
    elsewhere: Elsewhere = field(default_factory=Elsewhere)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data: what `--json` prints."""
        named = ("status", "method", "task", "tier", "seed", "reason", "key")
        return {
            "store": str(self.store),
            "planned": len(self.plan.keys),
            "cached": self.skipped,
            "statuses": dict(sorted(self.statuses.items())),
            "failures": [{name: row[name] for name in named} for row in self.failures],
            "skipped": [dict(zip(("task", "method", "reason"), s, strict=True)) for s in self.plan.not_applicable],
            "to_do": self.to_do,
            "hours": self.hours,
            "sandbox": self.sandbox,
            "warning": self.warning or None,
            "keys": sorted(self.keys),
        }

    @property
    def keys(self) -> set[str]:
        """The keys of all planned runs, cached ones included."""
        return set(self.plan.keys)

    def __repr__(self) -> str:
        lines = [*self.failed[:_SHOWN], *([self.warning] if self.warning else [])]
        return "\n".join([f"Report({self.summary})", *(f"  {line}" for line in lines), *self._more])

    @property
    def summary(self) -> str:
        """One line: the number of runs by status, the number of cached runs, and the results folder."""
        if self.to_do is not None:
            hours = "" if self.hours is None else f", about {self.hours:.2g} hours on two cores"
            return f"{self.to_do} runs to do{hours}; {self.skipped} cached; results in {self.store}"
        words = {"ok": "succeeded"}
        done = [f"{count} {words.get(status, status)}" for status, count in sorted(self.statuses.items())]
        return f"{', '.join(done) or 'nothing to do'}; {self.skipped} cached; results in {self.store}"

    @property
    def warning(self) -> str:
        """One line if other versions of the libraries made some of the cached runs; else empty."""
        if not self.elsewhere.keys:
            return ""
        return (
            f"{len(self.elsewhere.keys)} cached runs come from another environment ({'; '.join(self.elsewhere.changes)}); "
            "re-run them with --refresh environment"
        )

    @property
    def failed(self) -> list[str]:
        """One line per failed run: status, method, task, seed and reason."""
        return [f"{r['status']}: {r['method']} on {r['task']}, seed {r['seed']}: {r['reason']}" for r in self.failures]

    @property
    def _more(self) -> list[str]:
        rest = len(self.failures) - _SHOWN
        return [f"  and {rest} more failures"] if rest > 0 else []
