"""From rows to verdicts.

A check is reproduced where its whole interval satisfies the relation, not reproduced where none of it does, else inconclusive.
A claim is reproduced where all its checks are. Then:

- a fair control that fails makes it confounded;
- a negative verdict of an empirical claim counts only where twice the training budget leaves each failing quantity within its
  interval; without that check the verdict is inconclusive;
- a claim with several looks is evaluated with the seeds of the first; only where that is inconclusive, with those of the next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from dynamark.runners.claims.catalog import Listed
from dynamark.runners.claims.claim import EMPIRICAL, Check, Claim, Interval, Need, Verdict
from dynamark.runners.claims.columns import MissingScore, Rows
from dynamark.runners.claims.relations import Between
from dynamark.runners.claims.select import Index

__all__ = ["CheckResult", "Evaluation", "RunGroup", "evaluate", "evaluate_all", "verdict_of"]

_SCORED = ("ok", "diverged")


@dataclass(frozen=True)
class CheckResult:
    """One check of a claim: the quantity with its interval, and the verdict. reason: why, where the interval does not say."""

    check: Check
    interval: Interval | None
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True)
class RunGroup:
    """Rows of a claim that differ in seed only, as tables show them. method: "" for an experiment."""

    task: str
    method: str
    tier: str
    seeds: int
    failed: int
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Evaluation:
    """A claim with its verdict, the results of its checks, and the keys of the rows behind it.

    missing: rows that it still needs. failed: rows whose run failed. look: number of the look at the data, counted from 0.
    convergence: the failing checks again with twice the budget. reason: what decided, where no check's own verdict did.
    """

    id: str
    family: str
    claim: Claim
    verdict: Verdict
    results: tuple[CheckResult, ...]
    controls: tuple[CheckResult, ...]
    keys: tuple[str, ...]
    missing: int
    failed: int
    fair_controls: tuple[CheckResult, ...] = ()
    convergence: tuple[CheckResult, ...] = ()
    runs: tuple[RunGroup, ...] = ()
    look: int = 0
    reason: str = ""


def evaluate_all(claims: Mapping[str, Listed], table: pa.Table, salt: str = "") -> list[Evaluation]:
    """Each claim evaluated on all rows that there are with this salt. table: rows with `select.COLUMNS`."""
    index = Index(table, salt)
    return [evaluate(listed, index) for listed in claims.values()]


def evaluate(listed: Listed, index: Index) -> Evaluation:
    """A claim evaluated on rows: at its first look, and at a later one where the earlier were inconclusive."""
    evaluation = _at_look(listed, index, 0)
    for look in range(1, len(listed.claim.looks)):
        if evaluation.verdict != "inconclusive":
            break
        further = _at_look(listed, index, look)
        if further.verdict == "not run":
            seeds = f"{further.missing} more rows"
            reason = f"{evaluation.reason}; " if evaluation.reason else ""
            return replace(evaluation, reason=f"{reason}look {look + 1} of {len(listed.claim.looks)} needs {seeds}")
        evaluation = further
    return _with_convergence(evaluation, index)


def _at_look(listed: Listed, index: Index, look: int) -> Evaluation:
    claim = listed.claim
    rows, missing = index.select(claim, factor=claim.looks[look])
    failed = _count_failed(rows)
    results, controls, fair = (
        tuple(_result(check, claim, rows, missing == 0, failed) for check in checks)
        for checks in (claim.checks, claim.controls, claim.fair_controls)
    )
    verdict, reason = _together([result.verdict for result in results]), ""
    if verdict == "reproduced" and fair:
        verdict, reason = _against(fair)
    return Evaluation(
        listed.id,
        listed.family,
        claim,
        verdict,
        results,
        controls,
        tuple(rows["key"]),
        missing,
        failed,
        fair_controls=fair,
        runs=tuple(_groups(rows)),
        look=look,
        reason=reason,
    )


def _count_failed(rows: Rows) -> int:
    """How many rows are of runs that failed."""
    return sum(status not in _SCORED for status in rows["status"])


def _groups(rows: Rows) -> list[RunGroup]:
    groups: dict[tuple[str, str, str], list[int]] = {}
    for place, identity in enumerate(zip(rows["task"], rows["method"], rows["tier"], strict=True)):
        groups.setdefault(identity, []).append(place)
    return [
        RunGroup(
            task,
            method,
            tier,
            len(places),
            sum(rows["status"][place] not in _SCORED for place in places),
            tuple(rows["key"][places]),
        )
        for (task, method, tier), places in groups.items()
    ]


def _result(check: Check, claim: Claim, rows: Rows, run: bool, failed: int) -> CheckResult:
    if not run:
        return CheckResult(check, None, "not run")
    try:
        interval = check.quantity(rows)
    except MissingScore as error:
        if not failed:
            # The rows are of another source than the claim, or the claim names a score that there is not.
            return CheckResult(check, None, "not run", str(error))
        # Where all runs failed no row has the score.
        interval = Interval(math.nan, math.nan, math.nan)
    if math.isfinite(interval.value) and not math.isfinite(interval.low + interval.high):
        if claim.kind == EMPIRICAL and not check.exact:
            unknown: Verdict = "reproduced" if check.holds is None else "inconclusive"
            return CheckResult(check, interval, unknown, "one seed has no interval")
        interval = Interval.exactly(interval.value)
    return CheckResult(check, interval, verdict_of(check, interval))


def verdict_of(check: Check, interval: Interval) -> Verdict:
    """Reproduced where the whole interval satisfies the relation, not reproduced where none of it does."""
    if not all(math.isfinite(v) for v in (interval.value, interval.low, interval.high)):
        return "inconclusive"
    if check.holds is None:
        return "reproduced"
    ends = [check.holds.holds(v) for v in (interval.low, interval.value, interval.high)]
    if all(ends):
        return "reproduced"
    # An interval that reaches over a whole band of `Between` decides nothing either.
    return "inconclusive" if any(ends) or _surrounds(check, interval) else "not reproduced"


def _surrounds(check: Check, interval: Interval) -> bool:
    low, high = getattr(check.holds, "low", None), getattr(check.holds, "high", None)
    return low is not None and high is not None and interval.low < low and interval.high > high


def _together(verdicts: Sequence[Verdict]) -> Verdict:
    """All checks must hold."""
    order: tuple[Verdict, ...] = ("not run", "not reproduced", "inconclusive")
    return next((v for v in order if v in verdicts), "reproduced")


def _against(fair: Sequence[CheckResult]) -> tuple[Verdict, str]:
    """The verdict of a claim whose checks hold, given its fair controls."""
    together = _together([result.verdict for result in fair])
    if together == "reproduced":
        return "reproduced", ""
    decisive = next(result for result in fair if result.verdict == together)
    verdict: Verdict = "confounded" if together == "not reproduced" else together
    return verdict, f"the checks hold; fair control: {decisive.check.what}"


# --- convergence


def _with_convergence(evaluation: Evaluation, index: Index) -> Evaluation:
    """A negative verdict of an empirical claim, once twice the budget has been tried."""
    claim = evaluation.claim
    if claim.kind != EMPIRICAL or evaluation.verdict != "not reproduced" or isinstance(claim.convergence, str):
        return evaluation
    failing = [result for result in evaluation.results if result.verdict == "not reproduced"]
    results = _doubled(claim, claim.convergence, failing, evaluation.look, index)
    if results and all(result.verdict == "reproduced" for result in results):
        return replace(evaluation, convergence=results)
    if not claim.convergence:
        reason = "the relation fails, and no convergence check is declared"
    elif any(result.verdict == "not run" for result in results):
        reason = "the relation fails, and the runs with twice the budget are missing"
    else:
        reason = "the relation fails, and twice the budget changes the quantity by more than its interval"
    return replace(evaluation, verdict="inconclusive", convergence=results, reason=reason)


def _doubled(
    claim: Claim, needs: Sequence[Need], failing: Sequence[CheckResult], look: int, index: Index
) -> tuple[CheckResult, ...]:
    """Each failing check with twice the budget: its value must lie within the interval found before."""
    if not needs:
        return ()
    rows, missing = index.select(claim, needs, claim.looks[look])
    results = []
    for result in failing:
        assert result.interval is not None
        within = Between(result.interval.low, result.interval.high)
        check = replace(result.check, what=f"{result.check.what}, twice the budget", holds=within)
        doubled = _result(check, claim, rows, missing == 0, _count_failed(rows))
        if doubled.interval is not None and math.isfinite(doubled.interval.value):
            doubled = replace(
                doubled, verdict="reproduced" if within.holds(doubled.interval.value) else "not reproduced"
            )
        results.append(doubled)
    return tuple(results)
