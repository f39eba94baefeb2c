"""Text files of columns: comma, semicolon, tab or blanks, with or without a header, byte-order mark and Windows line ends."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy import ndarray

from dynamark.errors import UserError

__all__ = ["MISSING", "is_number", "read_delimited"]

# Texts that mean a missing value, in lower case.
MISSING = frozenset({"", "na", "nan", "n/a", "null", "none", "?", "-", "."})

# Lines by which the separator is chosen.
_LOOKED_AT = 20


def read_delimited(path: Path) -> tuple[dict[str, ndarray], list[int]]:
    """The columns of a text file, as texts, and the line of each row.

    Blank lines and lines that begin with `#` are passed over. Without a header, columns are called 1, 2, ...
    """
    text = _text(path)
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise UserError(f"{path.name}: the file is empty; give a recording with at least 20 samples")
    rows = _rows(text, _separator(lines[:_LOOKED_AT]), path.name)
    head = [cell.strip() for cell in rows[0][1]]
    if all(is_number(cell) for cell in head if cell.lower() not in MISSING) and any(map(is_number, head)):
        head = [str(i + 1) for i in range(len(head))]
    else:
        rows = rows[1:]
    _check(head, rows, path.name)
    cells = np.array([row for _, row in rows], dtype=object).reshape(len(rows), len(head))
    return {name: cells[:, i] for i, name in enumerate(head)}, [line for line, _ in rows]


def is_number(cell: str) -> bool:
    """Whether a cell is the text of a number (infinity and NaN are not)."""
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", cell.strip()) is not None


def _text(path: Path) -> str:
    raw = path.read_bytes()
    # Spreadsheet programs on Windows save "Unicode text" as UTF-16.
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UserError(f"{path.name}, line {line}: the text is not UTF-8; save the file as UTF-8") from None


def _separator(lines: Sequence[str]) -> str:
    """The separator that occurs most in the first lines; a blank where there is none other."""
    counts = {sign: sum(line.count(sign) for line in lines) for sign in "\t;,"}
    # With semicolons as separators, commas are decimal.
    best = ";" if counts[";"] >= len(lines) else max(counts, key=counts.__getitem__)
    return best if counts[best] else " "


def _rows(text: str, separator: str, file: str) -> list[tuple[int, list[str]]]:
    """The line and the cells of each row."""
    reader = csv.reader(text.splitlines(), delimiter=separator, skipinitialspace=True, strict=True)
    rows = []
    try:
        for cells in reader:
            if separator == " ":  # several blanks separate once
                cells = [cell for cell in cells if cell]
            if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
                continue
            rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise UserError(f"{file}, line {reader.line_num}: {error}; correct the quotes") from None
    return rows


def _check(head: Sequence[str], rows: Sequence[tuple[int, list[str]]], file: str) -> None:
    for i, name in enumerate(head):
        if not name:
            raise UserError(f"{file}: column {i + 1} has no name; name every column in the first line")
        if name in head[:i]:
            raise UserError(f"{file}: two columns are called '{name}'; rename one")
    if not rows:
        raise UserError(f"{file}: there is a header and no rows; give a recording with at least 20 samples")
    for line, cells in rows:
        if len(cells) != len(head):
            raise UserError(
                f"{file}, line {line}: {len(cells)} values, and there are {len(head)} columns; write one value for each column"
            )
