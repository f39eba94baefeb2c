"""What is wrong with results that are to be published, against the published ones and today's tasks."""

from __future__ import annotations

from dynamark.errors import MissingPackage, UserError
from dynamark.results.keys import canonical
from dynamark.results.schema import Row
from dynamark.results.submission import problems_of
from dynamark.results.verify import Current, published_for, verify
from dynamark.runners.registry import class_source, resolve_task, task_names
from dynamark.runners.spec import parse

__all__ = ["problems_of_file"]


def problems_of_file(rows: list[Row], published: dict[str, Row] | None = None) -> list[str]:
    """The problems of the rows of one file, one line each.

    published: what `published_for` gives for these rows or more, if it was read before.
    """
    if published is None:
        published = published_for(rows)
    submitted = any(row["submission"] for row in rows)
    return [*verify(rows, published, _current), *(problems_of(rows) if submitted else [])]


def _current(task: str, tier: str) -> Current | None:
    """A task that ships with dynamark, as it is now; None for any other task."""
    try:
        if (spec := parse(task)).name not in task_names():
            return None
        resolved = resolve_task(spec, tier)
    except MissingPackage:
        raise
    except UserError:
        return None
    return Current(resolved.version, canonical(resolved.fields()), class_source(type(resolved)))
