"""The one door through which the text of a verb leaves, to a terminal or a file. Rows and plug-ins are strangers' text.

No other module of the command prints: control characters could move a cursor, change a title or answer for the user.
"""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dynamark.errors import UserError, clean, one_line

__all__ = ["as_json", "logging_to_stderr", "note", "print_failures", "say", "write"]

_WIDEST = 700  # characters of a line about a row


def say(text: object) -> None:
    """Print text to stdout."""
    text = clean(str(text))
    print(text, end="" if text.endswith("\n") else "\n")


def as_json(value: object) -> str:
    """Plain data as JSON text; NaN and infinities, which JSON does not have, are null."""
    return json.dumps(_finite(value), indent=2, allow_nan=False)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_finite(part) for part in value]
    return value


class _Lines(logging.Handler):
    """Writes each record as one line without anything that could command a terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        note(f"{record.levelname.lower()}: {record.getMessage()}")


def logging_to_stderr(verbose: int) -> None:
    """Let the logger `dynamark` write to stderr: with 1 what happens, with 2 or more the details, with 0 nothing."""
    logger = logging.getLogger("dynamark")
    logger.handlers = [handler for handler in logger.handlers if not isinstance(handler, _Lines)]
    if verbose:
        logger.addHandler(_Lines())
    logger.setLevel(logging.NOTSET if not verbose else logging.INFO if verbose == 1 else logging.DEBUG)
    logger.propagate = not verbose


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
