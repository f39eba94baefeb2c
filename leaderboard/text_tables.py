"""A titled table as text, for the terminal, in Markdown or in LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dynamark.leaderboards.formats import clean, markdown, tabulated

__all__ = ["titled_table"]


def titled_table(
    title: str,
    about: str,
    head: Sequence[str],
    body: Sequence[Sequence[str]],
    format: str,
    notes: Iterable[str] = (),
) -> str:
    """The title, a line about the table, the table with its first column to the left, and notes, each a paragraph."""
    escape = markdown if format == "md" else clean  # tabulate escapes for LaTeX itself
    heading, prefix = {"md": ("## ", ""), "tex": ("% ", "% ")}.get(format, ("", ""))
    table = tabulated(head, body, format)
    lines = [heading + escape(title), prefix + escape(about), table, *(prefix + escape(note) for note in notes)]
    return "\n\n".join(lines)
