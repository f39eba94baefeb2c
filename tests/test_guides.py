"""The how-to guides run as they are written, but in this process: starting processes would cost more than all the rest."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_tutorial import BLOCK, ROOT

from dynamark.cli import main
from dynamark.runners import probe

# The guides whose blocks run, and the number of blocks that each has at least.
GUIDES = {"own-method": 5, "own-task": 4, "own-claim": 3}


@pytest.fixture
def inline(here: Path, nothing_published: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder, where commands run methods in this process, files can be imported, and nothing of this stays."""
    monkeypatch.syspath_prepend(here)
    monkeypatch.setattr(probe, "_inside", True)
    monkeypatch.delenv("DYNAMARK_STORE", raising=False)
    before = set(sys.modules)
    yield here
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(here)):
            del sys.modules[name]


def command_inline(*words: str) -> int:
    """The exit code of a command; methods run in this process."""
    return main([*words, *(["--engine", "inline"] if "run" in words[:2] else [])])


@pytest.mark.parametrize(("guide", "least"), GUIDES.items())
def test_every_block_of_a_guide_runs(guide: str, least: int, inline: Path) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / f"{guide}.md").read_text())
    assert len(blocks) >= least
    for language, name, text in blocks:
        if name:
            (inline / name).write_text(text)
        elif language == "bash":
            for line in text.splitlines():
                command, *words = shlex.split(line, comments=True)
                assert command == "dynamark"
                assert command_inline(*words) == 0, line
        elif language == "python":
            exec(compile(text, guide, "exec"), {"__name__": "__main__"})
        else:
            assert language == "toml", text  # a part of a file


def test_the_verdicts_that_the_guide_speaks_of_are_reached(inline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both claims of the guide reproduce, and the first does not where its relation is turned."""
    for _, name, text in BLOCK.findall((ROOT / "docs" / "own-claim.md").read_text()):
        if name:
            (inline / name).write_text(re.sub(r"Below\(1e-6\)", "Below(1e-9)", text))
    command_inline("claims", "run", "my_claims.py")
    main(["claims", "list", "my_claims.py"])
    assert "1 reproduced, 1 not reproduced" in capsys.readouterr().out
