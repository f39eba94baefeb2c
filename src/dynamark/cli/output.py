"""Writing the output of a verb to stdout or to a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dynamark.errors import UserError, clean, one_line

__all__ = ["print_failures", "write"]


def write(text: str, out: str | None) -> None:
    """Print the text, or write it to the file `out` if given."""
    if out is None:
        print(clean(text), end="" if text.endswith("\n") else "\n")
        return
    try:
        Path(out).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}; choose another file") from None


def print_failures(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print one line to stderr for each failed run."""
    for row in rows:
        where = f"{row['method']} on {row['task']}, seed {row['seed']}"
        print(one_line(f"{row['status']}: {where}: {row['reason']}", 700), file=sys.stderr)
