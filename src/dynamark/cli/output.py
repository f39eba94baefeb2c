"""The one door through which the text of a verb leaves, to a terminal or a file. Rows and plug-ins are strangers' text.

No other module of the command prints: control characters could move a cursor, change a title or answer for the user.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dynamark.errors import UserError, clean, one_line

__all__ = ["note", "print_failures", "say", "write"]

_WIDEST = 700  # characters of a line about a row


def say(text: object) -> None:
    """Print text to stdout."""
    text = clean(str(text))
    print(text, end="" if text.endswith("\n") else "\n")


def note(text: str) -> None:
    """Print one line to stderr, beside the result."""
    indent = text[: len(text) - len(text.lstrip(" "))]
    print(indent + one_line(text, _WIDEST), file=sys.stderr)


def write(text: str, out: str | None) -> None:
    """Print the text, or write it to the file `out` if given."""
    if out is None:
        say(text)
        return
    try:
        Path(out).write_text(clean(text), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}; choose another file") from None


def print_failures(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print one line to stderr for each failed run."""
    for row in rows:
        note(f"{row['status']}: {row['method']} on {row['task']}, seed {row['seed']}: {row['reason']}")
