"""A history as text, Markdown or JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from dynamark.leaderboards.formats import clean, markdown
from dynamark.leaderboards.gate.history import History

__all__ = ["render"]


def render(history: History, format: str = "terminal", tasks: Sequence[str] = (), methods: Sequence[str] = ()) -> str:
    """The steps, then the scores of every method and task at every point; only tasks and methods that match, if any is given."""

    def matches(task: str, method: str) -> bool:
        bare = task.partition(" [")[0]
        return all(
            not globs or any(fnmatchcase(name, glob) for glob in globs)
            for name, globs in ((bare, tasks), (method, methods))
        )

    lines = [line for line in history.lines if matches(line.task, line.method)]
    steps = [step for step in history.steps if matches(step.verdict.task, step.verdict.method)]
    if format == "json":
        content = {
            "points": list(history.points),
            "lines": [dataclasses.asdict(line) for line in lines],
            "steps": [{"point": step.point, **dataclasses.asdict(step.verdict)} for step in steps],
        }
        return json.dumps(content, indent=2) + "\n"
    escape = markdown if format == "md" else clean
    style = "github" if format == "md" else "simple"
    changes = [
        [step.point, step.verdict.verdict, step.verdict.method, step.verdict.task, step.verdict.detail]
        for step in steps
    ]
    values = [
        [line.method, line.task, line.metric, *("" if score is None else f"{score:.4g}" for score in line.scores)]
        for line in lines
    ]
    parts = [
        _table(changes, ["at", "verdict", "method", "task", "change"], style, escape)
        if changes
        else "no significant step",
        _table(values, ["method", "task", "score", *history.points], style, escape),
    ]
    return "\n\n".join(parts) + "\n"


def _table(rows: list[list[str]], head: list[str], style: str, escape: Callable[[str], str]) -> str:
    import tabulate

    cells = [[escape(cell) for cell in row] for row in rows]
    return tabulate.tabulate(cells, [escape(name) for name in head], tablefmt=style, disable_numparse=True)
