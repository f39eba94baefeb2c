"""Judging claims: from rows to verdicts."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynamark.errors import UserError, unknown
from dynamark.runners.claims.claim import Check, Claim, Measured, Verdict
from dynamark.runners.claims.select import prepare, select

if TYPE_CHECKING:
    import pandas

__all__ = ["FAMILIES", "Finding", "Judged", "all_claims", "choose", "judge", "judge_all"]

# family -> the modules below this folder that hold its claims
FAMILIES = {
    "sensing": ("descent", "limits", "networks"),
    "lds": ("prediction", "theory", "training"),
    "koopman": ("spectra", "forecasts"),
    "chaos": ("reconstruction", "codes"),
}


@dataclass(frozen=True)
class Finding:
    """One check of a claim: what was measured, and what it says."""

    check: Check
    measured: Measured | None
    verdict: Verdict


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict, its findings, and the keys of the rows behind it."""

    id: str
    family: str
    claim: Claim
    verdict: Verdict
    findings: tuple[Finding, ...]
    controls: tuple[Finding, ...]
    keys: tuple[str, ...]
    missing: int
    failed: int


@functools.cache
def all_claims() -> dict[str, tuple[str, Claim]]:
    """Every claim by id, with its family; in the order of families and of numbers."""
    found: dict[str, tuple[str, Claim]] = {}
    for family, modules in FAMILIES.items():
        own: dict[str, Claim] = {}
        for module in modules:
            held = vars(importlib.import_module(f"dynamark.runners.claims.{family}.{module}"))
            own |= _new({name: value for name, value in held.items() if isinstance(value, Claim)}, {**found, **own})
        found |= {name: (family, own[name]) for name in sorted(own, key=_number)}
    return found


def _new(claims: dict[str, Claim], known: Iterable[str]) -> dict[str, Claim]:
    if doubled := set(claims) & set(known):
        raise UserError(f"two claims have the id '{min(doubled)}'; rename one")
    return claims


def _number(name: str) -> tuple[int, str]:
    """C2 before C10, and C22 before C22b."""
    digits = "".join(c for c in name if c.isdigit())
    return int(digits or 0), name


def choose(ids: Iterable[str] = (), family: str | None = None) -> dict[str, tuple[str, Claim]]:
    """Claims by id, or those of a family, or all."""
    known = all_claims()
    wanted = list(ids)
    for name in wanted:
        if name not in known:
            raise unknown("claim", name, list(known))
    if family is not None and family not in FAMILIES:
        raise unknown("family", family, list(FAMILIES))
    return {
        name: held
        for name, held in known.items()
        if (not wanted or name in wanted) and (family is None or held[0] == family)
    }


def judge_all(claims: dict[str, tuple[str, Claim]], rows: pandas.DataFrame) -> list[Judged]:
    """Each claim judged on all rows that there are."""
    prepared = prepare(rows)
    return [judge(name, family, claim, prepared) for name, (family, claim) in claims.items()]


def judge(name: str, family: str, claim: Claim, prepared: pandas.DataFrame) -> Judged:
    """A claim judged on rows that `prepare` made ready."""
    rows, missing = select(claim, prepared)
    failed = int((~rows["status"].isin(["ok", "diverged"])).sum())
    run = missing == 0
    findings = tuple(_find(check, rows, run, failed) for check in claim.checks)
    controls = tuple(_find(check, rows, run, failed) for check in claim.controls)
    verdict = _together([f.verdict for f in findings])
    return Judged(name, family, claim, verdict, findings, controls, tuple(rows["key"]), missing, failed)


def _find(check: Check, rows: pandas.DataFrame, run: bool, failed: int) -> Finding:
    if not run:
        return Finding(check, None, "not run")
    try:
        measured = check.measure(rows)
    except KeyError:
        if not failed:
            raise
        # Where all runs failed no row has the score.
        measured = Measured(math.nan, math.nan, math.nan)
    return Finding(check, measured, _verdict(check, measured))


def _verdict(check: Check, measured: Measured) -> Verdict:
    """Reproduced where the whole interval satisfies the relation, not where none of it does, else inconclusive."""
    if not all(math.isfinite(v) for v in (measured.value, measured.low, measured.high)):
        return "inconclusive"
    if check.holds is None:
        return "reproduced"
    ends = [check.holds.holds(v) for v in (measured.low, measured.value, measured.high)]
    if all(ends):
        return "reproduced"
    # An interval that reaches over a whole band of `Between` decides nothing either.
    return "inconclusive" if any(ends) or _surrounds(check, measured) else "not reproduced"


def _surrounds(check: Check, measured: Measured) -> bool:
    low, high = getattr(check.holds, "low", None), getattr(check.holds, "high", None)
    return low is not None and high is not None and measured.low < low and measured.high > high


def _together(verdicts: Sequence[Verdict]) -> Verdict:
    """A claim holds when all its checks do."""
    order: tuple[Verdict, ...] = ("not run", "not reproduced", "inconclusive")
    return next((v for v in order if v in verdicts), "reproduced")
