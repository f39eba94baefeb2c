"""A check of submitted results: a sample of them is run again, and each score must be the same within the tolerances."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from dynamark.errors import UserError
from dynamark.results.schema import EXPERIMENT, SCORED, Row
from dynamark.results.tolerance import changes, spreads
from dynamark.runners.objects import Given
from dynamark.runners.registry import method_names, resolve_method
from dynamark.runners.reproduce import rerun
from dynamark.runners.spec import parse

__all__ = ["Recheck", "can_rerun", "recheck", "sample"]


@dataclass(frozen=True)
class Recheck:
    """The outcome: how many runs were done again, how many there are, what moved, and the processor."""

    again: int
    runs: int
    moved: tuple[str, ...] = ()
    processor: str = ""

    @property
    def mark(self) -> str | None:
        """The mark of results that were re-run and did not move; None for others."""
        if not self.again or self.moved:
            return None
        return f"{self.again} of {self.runs} runs on {self.processor}"


def can_rerun(row: Row, method: Given | None = None) -> str:
    """Why a row cannot be run again here; empty if it can. Its method must be here, with the same source."""
    if row["kind"] == EXPERIMENT:
        return "it is an experiment of a claim"
    name = str(row["method"]).partition("(")[0]
    if method is None and name not in method_names():
        return f"the method {name} does not ship with dynamark"
    try:
        here = resolve_method(parse(name if method is None else str(method)))
    except UserError as error:
        return str(error)
    return "" if here.source == row["method_source"] else f"the source of {name} here is not the one that ran"


def sample(rows: Sequence[Row], count: int, seconds: float) -> list[Row]:
    """Runs to do again: drawn by a digest that a submitter cannot choose freely, together at most about `seconds` long."""
    drawn: list[Row] = []
    spent = 0.0
    for row in sorted(rows, key=lambda row: hashlib.sha256(f"{row['key']} again".encode()).hexdigest()):
        cost = row["fit_seconds"] or 0.0
        if len(drawn) < count and row["status"] in SCORED and (spent + cost <= seconds or not drawn):
            drawn.append(row)
            spent += cost
    return drawn


def recheck(
    rows: Sequence[Row], *, count: int = 5, seconds: float = 600.0, method: Given | None = None, timeout: float = 600.0
) -> Recheck:
    """Run a sample of a submission again and compare every score; method: where it is, if it does not ship."""
    over_seeds = spreads(rows)
    moved: list[str] = []
    drawn = sample(rows, count, seconds)
    processor = ""
    for old in drawn:
        new = rerun(old, method=method, timeout=timeout)
        processor = (new["provenance"] or {}).get("processor") or "an unknown processor"
        where = f"{old['task']} [{old['tier']}], seed {old['seed']}"
        if new["status"] not in SCORED:
            moved.append(f"{where}: {new['status']} now ({new['reason']})")
        else:
            moved += [f"{where}: {line}" for line in changes(old, new, over_seeds)]
    return Recheck(len(drawn), len(rows), tuple(moved), processor)
