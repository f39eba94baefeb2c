"""Exit codes and last words: a verdict survives a broken pipe, a fault of dynamark's has a code of its own."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic import row, store

from dynamark import cli
from dynamark.errors import UserError, clean, one_line

WALK = Path(__file__).parent / "plugins" / "walk.py"


def raising(error: BaseException) -> argparse.Namespace:
    def main(args: argparse.Namespace) -> int:
        raise error

    return argparse.Namespace(main=main)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UserError("no such thing"), 2, "error: no such thing"),
        (UserError("bad \x1b[31m\n" + "x" * 5000), 2, "error: bad ?[31m xxx"),
        (KeyboardInterrupt(), 130, "stopped"),
        (ZeroDivisionError("a fault"), 70, "internal error: ZeroDivisionError: a fault"),
        (RecursionError(), 70, "internal error: RecursionError"),
    ],
)
def test_every_error_is_one_line_and_a_code(
    error: BaseException, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._guarded(raising(error)) == code
    captured = capsys.readouterr().err
    assert message in captured
    assert captured.count("\n") == 1
    assert captured.strip().isprintable()
    assert len(captured) < 340


def test_a_verdict_survives_a_broken_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    def main(args: argparse.Namespace) -> int:
        args.exit_code = 3
        raise BrokenPipeError

    with open(os.devnull, "w") as sink:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", sink)
        assert cli._guarded(argparse.Namespace(main=main)) == 3


def test_clean_text_holds_no_command_for_a_terminal() -> None:
    everything = "".join(map(chr, (*range(0x3000), *range(0xD800, 0xE000))))
    cleaned = clean(everything)
    assert all(char.isprintable() or char in "\n\t" for char in cleaned)
    cleaned.encode()
    assert one_line(everything, 50).isprintable()
    assert len(one_line(everything, 50)) == 50


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ["list", "tasks", "--format", "md"],
            2,
            "error: this needs the package torch, which is not installed: run `pip install torch`",
        ),
        (["check", f"{WALK}:Line"], 2, "error: this needs the package torch"),
        (["run", "quick", "--method", f"{WALK}:Line"], 2, "error: this needs the package torch"),
        (["results", "verify", "FILE"], 2, "error: this needs the package torch"),
        (["compare", "STORE", "STORE"], 0, "no regression"),
        (["history", "STORE", "STORE"], 0, ""),
    ],
)
def test_without_torch_results_are_read_and_the_rest_says_what_to_install(
    words: list[str], code: int, message: str, tmp_path: Path
) -> None:
    folder = store(tmp_path / "s", [row("m", "chaos/lorenz63", k) for k in range(3)])
    file = next(folder.glob("*.parquet"))
    words = [{"STORE": str(folder), "FILE": str(file)}.get(word, word) for word in words]
    program = f"import sys; sys.modules['torch'] = None; from dynamark.cli import main; sys.exit(main({words!r}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
