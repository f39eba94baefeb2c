"""A comparison as text, Markdown, JSON or JUnit."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree

from dynamark.errors import UserError
from dynamark.leaderboards.formats import clean, markdown
from dynamark.leaderboards.gate.compare import Comparison, Verdict

__all__ = ["FORMATS", "render"]

FORMATS = ("terminal", "md", "json", "junit")

# The gravest first.
_ORDER = ("failed", "worse", "slower", "incomparable", "missing", "better", "same")
_OUTCOMES = {0: "no regression", 1: "regression", 3: "not comparable", 4: "failed runs"}


def render(comparison: Comparison, format: str = "terminal", everything: bool = False) -> str:
    """The verdicts in a format: those that matter, or all (JSON and JUnit always have all)."""
    ordered = sorted(comparison.verdicts, key=lambda v: (_ORDER.index(v.verdict), v.method, v.task))
    if format == "json":
        content = {
            "exit_code": comparison.exit_code,
            "environment": list(comparison.environment),
            "verdicts": [dataclasses.asdict(v) for v in ordered],
        }
        return json.dumps(content, indent=2) + "\n"
    if format == "junit":
        return _junit(ordered)
    if format not in FORMATS:
        raise UserError(f"unknown format '{format}'; formats: {', '.join(FORMATS)}")
    return _text(comparison, [v for v in ordered if everything or v.verdict != "same"], format)


def _text(comparison: Comparison, shown: Sequence[Verdict], format: str) -> str:
    import tabulate

    escape = markdown if format == "md" else clean
    body = [[escape(cell) for cell in (v.verdict, v.method, v.task, v.detail)] for v in shown]
    style = "github" if format == "md" else "simple"
    table = tabulate.tabulate(body, ["verdict", "method", "task", "change"], tablefmt=style, disable_numparse=True)
    count = Counter(str(v.verdict) for v in comparison.verdicts)
    summary = f"{_OUTCOMES[comparison.exit_code]}: " + ", ".join(f"{count[w]} {w}" for w in _ORDER if count[w])
    head = f"### dynamark compare: {summary}" if format == "md" else summary
    notes = [f"not the same environment: {escape(change)}" for change in comparison.environment]
    if comparison.weak:
        notes.append(
            f"{comparison.weak} unchanged scores are too noisy to tell twice the effect size (see --all); run more seeds"
        )
    parts = [head, *notes, *([table] if body else [])] if format == "md" else [*([table] if body else []), *notes, head]
    return "\n\n".join(parts) + "\n"


def _junit(ordered: Sequence[Verdict]) -> str:
    """A test case a pair: failed runs are errors, regressions failures, what cannot be compared is skipped."""
    kinds = {
        "failed": "error",
        "worse": "failure",
        "slower": "failure",
        "incomparable": "skipped",
        "missing": "skipped",
    }
    tags = Counter(kinds.get(v.verdict, "") for v in ordered)
    suite = ElementTree.Element(
        "testsuite",
        name="dynamark compare",
        tests=str(len(ordered)),
        failures=str(tags["failure"]),
        errors=str(tags["error"]),
        skipped=str(tags["skipped"]),
    )
    for v in ordered:
        case = ElementTree.SubElement(suite, "testcase", classname=clean(v.task), name=clean(v.method))
        if v.verdict in kinds:
            ElementTree.SubElement(case, kinds[v.verdict], message=clean(f"{v.verdict}: {v.detail}"))
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"
