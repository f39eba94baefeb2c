"""Tables as text: for the terminal, Markdown, LaTeX, CSV and JSON. Names come from plug-ins and are written harmlessly."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from dynamark.leaderboards.table import Standing, Table

__all__ = [
    "FORMATS",
    "clean",
    "csv_records",
    "csv_text",
    "harmless",
    "leader",
    "markdown",
    "number",
    "place",
    "render",
    "short",
    "tabulated",
]

FORMATS = ("terminal", "md", "html", "tex", "csv", "json")

_STYLES = {"terminal": "simple", "md": "github", "tex": "latex_booktabs"}
# A terminal shows the scores of so many tasks beside the standings; more of them get a table of their own.
_BESIDE = 4
# Columns of a table of Markdown.
_WIDEST = 12


def render(tables: Sequence[Table], format: str, literal: bool = False) -> str:
    """Tables as text, in any format but `html`, which is the page's.

    literal: cells of CSV as they are, even if a spreadsheet would take them for formulas.
    """
    if format == "json":
        return json.dumps([_plain(table) for table in tables], indent=2, allow_nan=False) + "\n"
    if format == "csv":
        return csv_text(csv_records(tables), literal)
    if not tables:
        return "no rows yet; `dynamark run quick` makes some\n"
    parts = []
    for table in tables:
        title = {"terminal": clean(table.title), "md": f"## {markdown(table.title)}", "tex": f"% {clean(table.title)}"}
        parts += [title[format], *_blocks(table, format)]
    text = "\n\n".join(parts) + "\n"
    if any(s.own for table in tables for s in table.standings):
        text += {"tex": "% "}.get(format, "\n") + "* includes your own, unpublished results\n"
    for mark in sorted({f"† {s.method}: {s.submitted}" for table in tables for s in table.standings if s.submitted}):
        text += {"tex": "% "}.get(format, "\n") + (markdown(mark) if format == "md" else clean(mark)) + "\n"
    if any(not s.complete for table in tables for s in table.standings):
        text += {"tex": "% "}.get(format, "\n") + "methods with missing runs stand last and have no place\n"
    return text


def _blocks(table: Table, format: str) -> list[str]:
    inline = format == "tex" or (format == "terminal" and len(table.tasks) <= _BESIDE)
    blocks = [tabulated(*(_narrow(table) if format == "md" else _standings(table, inline)), format)]
    if not inline:
        blocks.append(tabulated(*_tasks(table), format))
    return blocks


def tabulated(head: Sequence[str], body: Sequence[Sequence[str]], format: str) -> str:
    """A table as text, with its first column to the left and without anything that a format would read as markup."""
    import tabulate

    escape = {"terminal": clean, "md": markdown, "tex": clean}[format]  # tabulate escapes for LaTeX itself
    return tabulate.tabulate(
        [[escape(cell) for cell in row] for row in body],
        [escape(cell) for cell in head],
        tablefmt=_STYLES[format],
        disable_numparse=True,
        colalign=["left"] + ["right"] * (len(head) - 1),
    )


def _standings(table: Table, inline: bool) -> tuple[list[str], list[list[str]]]:
    """Place, skill, coverage and cost; inline also the median score of each task (in brackets on held-out data)."""
    tasks = table.tasks if inline else ()
    shows_held_out = any(s.held_out is not None for s in table.standings)
    head = ["method", "place", "band", "skill", "95 %", *(["held out", "difference"] if shows_held_out else []), "rank"]
    head += ["runs", "failed", "fit s", "MiB", "steps", "parameters"]
    head += [f"{short(t.name)}, {t.metric}" if t.metric else short(t.name) for t in tasks]
    return head, [_standing(s, [t.name for t in tasks], shows_held_out) for s in table.standings]


def _standing(s: Standing, tasks: Sequence[str], shows_held_out: bool) -> list[str]:
    away = s.held_out
    beside = ["", ""] if away is None else [number(away.skill, ".3f"), number(away.difference, "+.3f")]
    return [
        s.method + (" *" if s.own else "") + (" †" if s.submitted else ""),
        place(s),
        number(s.band, "d"),
        number(s.skill, ".3f"),
        "" if s.low is None or s.high is None else f"{s.low:.2f} to {s.high:.2f}",
        *(beside if shows_held_out else []),
        number(s.rank, ".1f"),
        f"{s.runs}/{s.possible}",
        str(s.failed),
        number(s.fit_seconds, ".2g"),
        "" if s.peak_memory is None else f"{s.peak_memory / 2**20:.0f}",
        "" if s.steps is None else str(s.steps),
        "" if s.parameters is None else str(s.parameters),
        *(_score(s, name) for name in tasks),
    ]


def _narrow(table: Table) -> tuple[list[str], list[list[str]]]:
    """The standings in at most twelve columns, for Markdown: intervals stand in the columns of their values."""
    head, body = _standings(table, inline=False)
    shows_held_out = "held out" in head
    joined = [("skill", "95 %", "{} [{}]"), *([("held out", "difference", "{} ({})")] if shows_held_out else [])]
    for name, beside, style in joined:
        first, second = head.index(name), head.index(beside)
        head[first] = style.format(name, beside)
        for line in body:
            line[first] = style.format(line[first], line[second]) if line[second] else line[first]
            del line[second]
        del head[second]
    return head, body


def _score(s: Standing, task: str) -> str:
    """The median public score, and in brackets that on held-out data."""
    away = None if s.held_out is None else s.held_out.scores.get(task)
    return number(s.scores.get(task), ".3g") + ("" if away is None else f" ({away:.3g})")


def _tasks(table: Table) -> tuple[list[str], list[list[str]]]:
    """A line a task: its score, the ends of its scale, the best method, and your own methods."""
    own = [s for s in table.standings if s.own][: _WIDEST - 6]
    head = ["task", "score", "baseline", "oracle", "best", "by", *(s.method + " *" for s in own)]
    body = []
    for task in table.tasks:
        best = leader(table, task.name)
        body.append(
            [
                short(task.name),
                task.metric,
                number(task.baseline, ".3g"),
                number(task.oracle, ".3g"),
                "" if best is None else _score(best, task.name),
                "" if best is None else best.method,
                *(_score(s, task.name) for s in own),
            ]
        )
    return head, body


def leader(table: Table, task: str) -> Standing | None:
    """The method with the best median score on a task."""
    lower = next(t.lower_is_better for t in table.tasks if t.name == task)
    having = [s for s in table.standings if task in s.scores]
    return min(having, key=lambda s: (s.scores[task] if lower else -s.scores[task], s.method), default=None)


def short(name: str) -> str:
    """A task's name without its family."""
    return name.split("/", 1)[-1]


def place(s: Standing) -> str:
    """The interval of a place, 1 or 2-4; nothing where runs are missing, so that a mean stands on other tasks than others'."""
    if s.place is None:
        return ""
    return str(s.place[0]) if s.place[0] == s.place[1] else f"{s.place[0]}-{s.place[1]}"


def number(value: float | None, style: str) -> str:
    """A number, or nothing."""
    return "" if value is None else format(value, style)


def clean(text: str) -> str:
    """Without control characters, which could move a terminal's cursor or break a line."""
    return "".join(c if c.isprintable() else "�" for c in text)


def markdown(text: str) -> str:
    """Markdown's and HTML's signs said literally."""
    for sign in "\\`*_[]|~":
        text = text.replace(sign, f"\\{sign}")
    return clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_COLUMNS = ["method", "own", "skill", "low", "high", "band", "rank", "runs", "possible", "failed"]
_COLUMNS += ["fit_seconds", "peak_memory", "steps", "parameters"]
_CSV = [
    "table",
    "board",
    "tier",
    "salt",
    "track",
    *_COLUMNS,
    "place_low",
    "place_high",
    "held_out",
    "held_out_difference",
]


def csv_text(records: Sequence[Mapping[str, Any]], literal: bool = False) -> str:
    """Records as CSV, a line a method and table; what a record lacks is empty."""

    def cell(value: Any) -> Any:
        plain = int(value) if isinstance(value, bool) else value
        return harmless(plain) if isinstance(plain, str) and not literal else plain

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV)
    writer.writerows([cell(record.get(name, "")) for name in _CSV] for record in records)
    return out.getvalue()


def csv_records(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """The standings as records of CSV."""
    records = []
    for table in tables:
        where = {"table": table.family, "tier": table.tier, "salt": table.salt, "track": table.track}
        for s in table.standings:
            low, high = s.place or ("", "")
            away = (
                {}
                if s.held_out is None
                else {"held_out": s.held_out.skill, "held_out_difference": s.held_out.difference}
            )
            values = {name: getattr(s, name) for name in _COLUMNS}
            records.append({**where, **values, "place_low": low, "place_high": high, **away})
    return records


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: with an apostrophe before = + - @."""
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text


def _plain(table: Table) -> dict[str, Any]:
    return {
        "table": table.family,
        "tier": table.tier,
        "salt": table.salt,
        "track": table.track,
        "tasks": [dataclasses.asdict(t) for t in table.tasks],
        "standings": [dataclasses.asdict(s) for s in table.standings],
    }
