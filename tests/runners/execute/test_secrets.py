"""A salt hides the data: methods that look for it in the cache, in other processes and in the results find nothing."""

from __future__ import annotations

import hashlib
import io
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import PLUGINS, WALK, write_suite

from dynamark.cli.salt import secret
from dynamark.errors import UserError
from dynamark.runners.execute.sandbox import works
from dynamark.runners.execute.secrets import hide_argument
from dynamark.runners.run import run

SPIES = f"{PLUGINS}/spies.py"
SALT = "vanilla-7f3a"
DIGEST = hashlib.sha256(SALT.encode()).hexdigest()


def answer(here: Path, method: str, task: str = WALK, **more: Any) -> str:
    """The reason of the failure of one run; empty if it succeeded."""
    report = run(write_suite(here / "s.toml", [method], [task], seeds=1), store=here / "store", workers=1, **more)
    return " ".join(row["reason"] for row in report.failures)


def test_the_data_of_a_salt_is_not_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNAMARK_CACHE", str(tmp_path / "cache"))
    words = (f"{SPIES}:CacheReader", f"{SPIES}:Kept")
    assert answer(tmp_path, *words, salt=SALT, sandbox=False) == ""
    assert "found data in the cache" in answer(tmp_path, *words), "the spy sees what there is"


def test_no_process_tells_the_salt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a command of its own, whose command line held it."""
    spy = f"{SPIES}:ProcessReader(digest={DIGEST!r})"
    suite = write_suite(tmp_path / "s.toml", [spy], seeds=1)
    command = [sys.executable, "-m", "dynamark", "run", suite, "--store", str(tmp_path / "cli"), "--workers", "1"]
    done = subprocess.run([*command, "--salt", SALT, "--no-sandbox"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "no sandbox" in done.stderr
    monkeypatch.setenv("SOME_VARIABLE", SALT)
    assert "the salt in environ" in answer(tmp_path, spy), "the spy sees what there is"


def test_a_salt_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{SALT}\nmore\n"))
    assert secret("-") == SALT
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(UserError, match="no salt on stdin"):
        secret("-")


@pytest.mark.skipif(not works(), reason="this kernel lets users make no namespaces")
def test_a_sandbox_hides_results_processes_and_network(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with socket.create_server(("127.0.0.1", 0)) as server:
        spy = f"{SPIES}:Prisoner(store={str(store)!r}, port={server.getsockname()[1]})"
        suite = write_suite(tmp_path / "s.toml", [spy], seeds=1)
        report = run(suite, store=store, workers=1, salt=SALT)
        assert (report.sandbox, report.failed, dict(report.statuses)) == (True, [], {"ok": 1})
        report = run(suite, store=store, workers=1, salt=SALT, sandbox=False, force=True)
        (failed,) = report.failed
        assert all(what in failed for what in ("the results", "processes", "the network"))


def test_the_command_line_loses_its_salt() -> None:
    code = (
        "import sys; from dynamark.runners.execute.secrets import hide_argument; hide_argument(sys.argv[1]);"
        "print(open('/proc/self/cmdline').read())"
    )
    done = subprocess.run([sys.executable, "-c", code, SALT], capture_output=True, text=True, check=True)
    assert SALT not in done.stdout
    assert "x" * len(SALT) in done.stdout
    hide_argument("")
