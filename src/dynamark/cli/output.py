"""What a verb prints: to the terminal, or to a file."""

from __future__ import annotations

from pathlib import Path

from dynamark.errors import UserError

__all__ = ["write"]


def write(text: str, out: str | None) -> None:
    """Print the text, or write it to a file."""
    if out is None:
        print(text, end="" if text.endswith("\n") else "\n")
        return
    try:
        Path(out).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}; choose another file") from None
