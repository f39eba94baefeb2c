"""What no row can hold is refused where it enters, in one line; what a stranger's row holds stops no command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from stored import PLACE, fill, row
from support import LINE, write_suite

from dynamark.cli import main
from dynamark.errors import UserError, one_line
from dynamark.results import journal
from dynamark.results.schema import SCHEMA, refuse_unfit
from dynamark.results.sealed import sealed
from dynamark.results.store import Store, read_file
from dynamark.runners.plan.suite import load_suite
from dynamark.runners.run import run
from dynamark.runners.spec import parse

TWENTY = "9" * 20


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str]]:
    try:
        code = main(list(words))
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    "words",
    [
        ("--salt", "\udcff"),
        ("--salt", "\x1b[31m"),
        ("--salt", "x" * 1000),
        ("--seeds", TWENTY),
        ("--seeds", f"0-{TWENTY}"),
        ("--seeds", "0-999999999999999999"),
        ("--seeds", "1000000"),
        ("--seeds", "²"),
        ("--seeds", "9" * 3000),
        ("--memory-gb", "inf"),
        ("--timeout", "inf"),
        ("--timeout", "nan"),
        ("--workers", "6000"),
        ("--shard", f"1/{TWENTY}"),
        ("--method", "a\udcff.py:Mine"),
        ("--method", "x" * 4001),
        ("--method", "edmd(name='\\udcff')"),
        ("--task", "x" * 5000),
        ("--store", "x" * 5000),
        ("--store", "y" * 300),
    ],
    ids=lambda words: " ".join(words)[:30].encode("ascii", "backslashreplace").decode(),
)
def test_what_no_row_can_hold_is_refused_in_one_line(
    words: tuple[str, ...], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = write_suite(here / "s.toml", [LINE], seeds=1)
    code, lines = said(capsys, "run", suite, "--dry-run", *words)
    assert code == 2
    assert lines[-1].startswith("dynamark")
    assert ": error: " in lines[-1]
    assert lines[-1].isprintable()
    assert len(lines[-1]) <= 300


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"seeds = {TWENTY}", "invalid seeds"),
        (f"budget = {2**63}", "invalid budget"),
        ("budget = " + "9" * 5000, "not valid TOML"),
        ('"\\u001b[31m" = 1', "unknown key '?[31m'"),
        ("x = " + "[" * 2000, "not valid TOML"),
    ],
)
def test_bad_values_in_a_suite_are_refused(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(
        f'{line}\ntier = "tiny"\n{"" if "seeds" in line else "seeds = 1"}\n'
        '[[runs]]\ntasks = ["lds/arx"]\nmethods = ["arx"]\n'
    )
    with pytest.raises(UserError) as error:
        load_suite(str(path))
    assert message in one_line(str(error.value))


def test_a_plan_that_cannot_be_stored_is_refused_before_anything_runs(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path / "s.toml", [LINE], seeds=1))
    with pytest.raises(UserError, match="expected a positive number of seeds"):
        run(suite, seeds=[2**63], store=tmp_path / "store", dry_run=True)
    with pytest.raises(UserError, match=r"'seed': .*choose another value"):
        refuse_unfit([{"seed": 0}, {"seed": 2**63}])
    with pytest.raises(UserError, match="'suite': "):
        refuse_unfit([{"suite": "\udcff"}])


def test_a_long_error_keeps_its_remedy() -> None:
    with pytest.raises(UserError) as error:
        parse("edmd(" + "[" * 3000)
    assert one_line(str(error.value)).endswith("with Python literals as values")


def test_a_journal_with_a_value_that_fits_no_column_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As code of another version may write it: its checksum is right."""
    store = Store(tmp_path)
    monkeypatch.setattr(journal, "fitting", lambda row: row)
    fill(store, row("a"), {**row("b"), "steps": 2**63}, {**row("c"), "method": "\udcff"})
    assert store.status() == {"a": "ok", "b": "error", "c": "error"}
    store.compact()
    assert store.status() == {"a": "ok", "b": "error", "c": "error"}


def test_a_file_with_text_that_is_no_text_is_damaged(tmp_path: Path) -> None:
    rows = pa.Table.from_pylist([{**row("a"), "provenance": PLACE}], schema=SCHEMA)
    bad = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
    path = tmp_path / "x.parquet"
    path.write_bytes(sealed(rows.set_column(rows.column_names.index("reason"), SCHEMA.field("reason"), bad)))
    with pytest.raises(UserError, match="is damaged"):
        read_file(path, None)


def test_output_of_ascii_alone_and_a_user_without_a_home(tmp_path: Path) -> None:
    code = (
        "import os, pathlib; pathlib.Path.home = None\nfrom dynamark.folders import cache_folder; print(cache_folder())"
    )
    bare = {n: v for n, v in os.environ.items() if n not in ("HOME", "DYNAMARK_CACHE", "XDG_CACHE_HOME")}
    code = code.replace("pathlib.Path.home = None", "pathlib.Path.home = lambda: (_ for _ in ()).throw(RuntimeError())")
    done = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=True)
    assert "dynamark" in done.stdout
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    words = [sys.executable, "-m", "dynamark", "list", "tasks", "--json", "--nönsense"]
    done = subprocess.run(words, env=ascii_only, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert json.loads(subprocess.run(words[:-1], env=ascii_only, capture_output=True, check=True).stdout)
