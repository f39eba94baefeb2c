"""The tool that puts faults into the code."""

from __future__ import annotations

from pathlib import Path

import mutants
import pytest

CODE = '''"""Words with 1 < 2."""
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    LIMIT: int = 3
__all__ = ["f"]


def f(x: "int | 0", on: bool = True) -> int:
    if not on and x <= 2:
        print(x)
    return x + 1
'''


def test_mutants_change_what_runs_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    path = tmp_path / "code.py"
    path.write_text(CODE)
    assert sorted(map(str, mutants.mutants(path))) == [
        "code.py:10: 2 -> 3",
        "code.py:10: not on -> bool(on)",
        "code.py:10: not on and x <= 2 -> (not on or x <= 2)",
        "code.py:10: x <= 2 -> x < 2",
        "code.py:11: print(x) -> pass",
        "code.py:12: 1 -> 2",
        "code.py:12: return x + 1 -> return None",
        "code.py:12: x + 1 -> (x - 1)",
        "code.py:9: True -> False",
    ]
