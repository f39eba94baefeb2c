"""Claims as text: a list, one in full, and the generated page docs/claims.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from dynamark.runners.claims.claim import Measured, Verdict
from dynamark.runners.claims.verdicts import Finding, Judged

__all__ = ["listing", "markdown", "records", "summary", "whole"]

MARKS: dict[Verdict, str] = {"reproduced": "✓", "not reproduced": "✗", "inconclusive": "?", "not run": "·"}


def summary(judged: Sequence[Judged]) -> str:
    """How many claims of how many papers reproduce."""
    count = Counter(j.verdict for j in judged)
    papers = len({j.claim.paper for j in judged if j.claim.paper != "dynamark"})
    parts = ", ".join(f"{count[v]} {v}" for v in MARKS if count[v])
    return f"{len(judged)} claims of {papers} papers: {parts}" if judged else "no claims"


def listing(judged: Sequence[Judged]) -> str:
    """A line a claim, for the terminal."""
    import tabulate

    body = [[MARKS[j.verdict], j.id, j.family, j.claim.paper, j.claim.kind, _short(j)] for j in judged]
    table = tabulate.tabulate(body, ["", "claim", "family", "paper", "kind", "measured"], tablefmt="simple")
    return f"{table}\n\n{summary(judged)}"


def records(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """One record a quantity, for a data frame."""
    return [
        {
            "claim": j.id,
            "family": j.family,
            "paper": j.claim.paper,
            "kind": j.claim.kind,
            "verdict": j.verdict,
            "quantity": f.check.what,
            "control": f in j.controls,
            "relation": str(f.check.holds or ""),
            **{name: getattr(f.measured, name, None) for name in ("value", "low", "high")},
        }
        for j in judged
        for f in (*j.findings, *j.controls)
    ]


def whole(j: Judged) -> str:
    """One claim in full, for the terminal."""
    lines = [f"{j.id} ({j.family}, {j.claim.paper}, {j.claim.kind}): {j.verdict}", "", j.claim.statement, ""]
    lines += [_line(f) for f in j.findings]
    if j.controls:
        lines += ["", "beside it:", *(_line(f) for f in j.controls)]
    if j.claim.published:
        lines += ["", f"the paper's number: {j.claim.published}"]
    if j.claim.note:
        lines += ["", j.claim.note]
    lines += ["", f"{len(j.keys)} rows, {j.missing} missing, {j.failed} failed"]
    lines += [f"  {key}" for key in j.keys]
    return "\n".join(lines)


def markdown(judged: Sequence[Judged]) -> str:
    """The whole page of claims."""
    parts = ["# What papers claim, and what reproduces", "", f"{summary(judged)}.", ""]
    parts += ["Made by `dynamark claims list --format md` from the published rows; do not edit.", ""]
    for family in dict.fromkeys(j.family for j in judged):
        parts += [f"## {family}", "", "| claim | paper | statement | measured | must be | paper's number | verdict |"]
        parts += ["|---|---|---|---|---|---|---|"]
        for j in (j for j in judged if j.family == family):
            parts += [_row(j)]
        parts += [""]
        for j in (j for j in judged if j.family == family and (j.controls or j.claim.note)):
            beside = "; ".join(f"{f.check.what} {_shown(f.measured)}" for f in j.controls)
            parts += [f"**{j.id}.** " + " ".join(filter(None, [beside and f"Beside it: {beside}.", j.claim.note])), ""]
    return "\n".join(parts).rstrip() + "\n"


def _row(j: Judged) -> str:
    measured = "<br>".join(f"{_escape(f.check.what)}: {_shown(f.measured)}" for f in j.findings)
    must = "<br>".join(str(f.check.holds) if f.check.holds else "reported" for f in j.findings)
    cells = [
        f"{j.id} ({j.claim.kind})",
        j.claim.paper,
        _escape(j.claim.statement),
        measured,
        must,
        _escape(j.claim.published or ""),
        f"{MARKS[j.verdict]} {j.verdict}",
    ]
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _line(f: Finding) -> str:
    must = f", must be {f.check.holds}" if f.check.holds else ""
    return f"  {MARKS[f.verdict]} {f.check.what}: {_shown(f.measured)}{must}"


def _short(j: Judged) -> str:
    decisive = next((f for f in j.findings if f.verdict == j.verdict), j.findings[0])
    must = f" ({decisive.check.holds})" if decisive.check.holds else ""
    return f"{decisive.check.what}: {_shown(decisive.measured)}{must}"


def _shown(measured: Measured | None) -> str:
    if measured is None:
        return "not run"
    if measured.low == measured.high:
        return f"{measured.value:.3g}"
    return f"{measured.value:.3g} [{measured.low:.3g}, {measured.high:.3g}]"
