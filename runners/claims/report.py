"""Claims as text for the terminal: a list, and one in full."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dynamark.runners.claims.claim import VERDICTS, Interval, Verdict
from dynamark.runners.claims.papers import paper_of
from dynamark.runners.claims.verdicts import CheckResult, Evaluation

__all__ = ["MARKS", "listing", "papers_counted", "records", "relation_text", "shown", "summary", "whole"]

MARKS: dict[Verdict, str] = {
    "reproduced": "✓",
    "not reproduced": "✗",
    "confounded": "≈",
    "inconclusive": "?",
    "not run": "·",
}


def papers_counted(evaluations: Sequence[Evaluation]) -> int:
    """The number of papers whose statements the claims are."""
    return len({e.claim.paper for e in evaluations if e.claim.paper != "dynamark"})


def summary(evaluations: Sequence[Evaluation]) -> str:
    """How many claims of how many papers reproduce."""
    if not evaluations:
        return "no claims"
    count = Counter(e.verdict for e in evaluations)
    parts = ", ".join(f"{count[v]} {v}" for v in VERDICTS if count[v])
    return f"{_counted(len(evaluations), 'claim')} of {_counted(papers_counted(evaluations), 'paper')}: {parts}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def listing(evaluations: Sequence[Evaluation], held_out: Sequence[Evaluation] = ()) -> str:
    """A line a claim, for the terminal. held_out: the same claims on data made with a salt, whose verdicts stand beside."""
    import tabulate

    beside = {e.id: f"{MARKS[e.verdict]} {e.verdict}" for e in held_out}
    body = [
        [MARKS[e.verdict], e.id, e.family, paper_of(e.claim.paper).short, e.claim.kind, *_salted(e, beside), _short(e)]
        for e in evaluations
    ]
    heads = ["", "claim", "family", "paper", "kind", *(["held out"] if beside else []), "measured"]
    table = tabulate.tabulate(body, heads, tablefmt="simple", disable_numparse=True)
    lines = [table, "", summary(evaluations)]
    return "\n".join([*lines, f"held out: {summary(held_out)}"] if held_out else lines)


def _salted(evaluation: Evaluation, beside: Mapping[str, str]) -> list[str]:
    return [beside.get(evaluation.id, "")] if beside else []


def records(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """One record a quantity, for a data frame."""
    return [
        {
            "claim": e.id,
            "family": e.family,
            "paper": e.claim.paper,
            "kind": e.claim.kind,
            "verdict": e.verdict,
            "quantity": r.check.what,
            "control": role != "check",
            "role": role,
            "relation": str(r.check.holds or ""),
            **{name: getattr(r.interval, name, None) for name in ("value", "low", "high")},
        }
        for e in evaluations
        for role, results in (
            ("check", e.results),
            ("fair control", e.fair_controls),
            ("control", e.controls),
            ("convergence", e.convergence),
        )
        for r in results
    ]


def whole(evaluation: Evaluation, held_out: Evaluation | None = None) -> str:
    """One claim in full, for the terminal."""
    e, claim = evaluation, evaluation.claim
    lines = [f"{e.id} ({e.family}, {claim.kind}): {MARKS[e.verdict]} {e.verdict}"]
    lines += [f"  {e.reason}"] if e.reason else []
    lines += [f"held out: {MARKS[held_out.verdict]} {held_out.verdict}"] if held_out else []
    lines += ["", f"paper      {paper_of(claim.paper)}", f"statement  {claim.statement}"]
    lines += [f"published  {claim.published or 'the paper gives no number'}"]
    for title, results in (
        ("checks (all must hold)", e.results),
        ("fair controls (must hold too, else the claim is confounded)", e.fair_controls),
        ("convergence (twice the budget)", e.convergence),
        ("controls (do not decide)", e.controls),
        ("held out", held_out.results if held_out else ()),
    ):
        lines += ["", f"{title}, {e.claim.level:.3g} intervals:", *map(_line, results)] if results else []
    lines += ["", claim.note] if claim.note else []
    lines += ["", *_history(e)]
    lines += ["", f"runs: {len(e.keys)} rows, {e.missing} missing, {e.failed} failed", *_runs(e)]
    return "\n".join(lines)


def _history(e: Evaluation) -> list[str]:
    claim = e.claim
    registered = f"relation registered in version {claim.registered}" if claim.registered else "relation not registered"
    looks = f"; look {e.look + 1} of {len(claim.looks)}" if len(claim.looks) > 1 else ""
    return [registered + looks, *(f"  changed in {c.version}: {c.what} ({c.why})" for c in claim.changes)]


def _runs(e: Evaluation) -> list[str]:
    lines = []
    for group in e.runs:
        what = f"{group.method} on {group.task}, {group.tier}" if group.method else group.task
        failed = f", {group.failed} failed" if group.failed else ""
        lines.append(f"  {what}: {_counted(group.seeds, 'seed')}{failed} (dynamark reproduce {group.keys[0][:16]})")
    return lines


def relation_text(result: CheckResult) -> str:
    """What the quantity must satisfy; "" where it is only reported."""
    return str(result.check.holds) if result.check.holds else ""


def _line(result: CheckResult) -> str:
    must = f", must be {result.check.holds}" if result.check.holds else ""
    reason = f" ({result.reason})" if result.reason else ""
    return f"  {MARKS[result.verdict]} {result.check.what}: {shown(result.interval)}{must}{reason}"


def _short(e: Evaluation) -> str:
    results = [*e.results, *e.fair_controls]
    wanted = "not reproduced" if e.verdict == "confounded" else e.verdict
    decisive = next((r for r in results if r.verdict == wanted), e.results[0])
    must = f" ({decisive.check.holds})" if decisive.check.holds else ""
    return f"{decisive.check.what}: {shown(decisive.interval)}{must}"


def shown(interval: Interval | None) -> str:
    """An estimate with its interval, three digits each."""
    if interval is None:
        return "not run"
    if math.isnan(interval.value):
        return "a run failed"
    if interval.low == interval.high:
        return f"{interval.value:.3g}"
    if math.isinf(interval.low) and math.isinf(interval.high):
        return f"{interval.value:.3g} (one seed)"
    return f"{interval.value:.3g} [{interval.low:.3g}, {interval.high:.3g}]"
