"""What a method can do wrong costs its own run and nothing else."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from forked import Command, alive, descendants
from support import DRAWN, FAULTY, LINE, PLUGINS, write_suite

from dynamark.results.store import Store
from dynamark.runners.run import run

EXPECTED = {
    "raises": ("error", "ZeroDivisionError: no such luck (faulty.py:"),
    "nan": ("diverged", "NaN"),
    "wrong_shape": ("error", "wanted shape (1, 10, 2), got (1, 9, 2)"),
    "wrong_type": ("error", "wanted a tensor"),
    "sleeps": ("timeout", "not done after 6 s"),
    "spins": ("timeout", "not done after 6 s"),
    "allocates": ("out_of_memory", ""),
    "allocates_python": ("out_of_memory", ""),
    "os_exit": ("crashed", "without an answer (exit code 0)"),
    "exit_code": ("crashed", "exit code 7"),
    "sys_exit": ("error", "SystemExit: leaving"),
    "segfault": ("crashed", "SIGSEGV"),
    "grandchildren": ("ok", ""),
    "prints": ("ok", ""),
    "patches_json": ("error", "cannot be read"),
    "surrogate": ("error", "ValueError: a lone ? and ?[31m an escape"),
    "bad_text": ("error", "Mute"),
    "children_allocate": ("out_of_memory", "GiB resident"),
}


def test_each_fault_is_one_row_with_its_status(tmp_path: Path) -> None:
    marker = f"marker {tmp_path}"
    methods = [f"{FAULTY}(how={how!r}, note={marker!r})" for how in EXPECTED]
    suite = write_suite(tmp_path / "faults.toml", [LINE, *methods, DRAWN], seeds=1)
    report = run(suite, store=tmp_path / "store", timeout=6.0, memory_gb=0.8, workers=2)
    assert sum(report.statuses.values()) == len(methods) + 2
    rows = Store(tmp_path / "store").rows().to_pylist()
    assert len(rows) == len(methods) + 2
    ended = {row["method_fields"]: (row["status"], row["reason"] or "") for row in rows}
    for how, (status, reason) in EXPECTED.items():
        result = next(value for fields, value in ended.items() if f'"how":"{how}"' in fields)
        assert result[0] == status, (how, result)
        assert reason in result[1], (how, result)
    others = [row for row in rows if "faulty" not in row["method"]]
    assert [row["status"] for row in others] == ["ok", "ok"]
    left = subprocess.run(["pgrep", "-f", marker], capture_output=True, text=True, check=False)
    assert left.stdout == "", "detached grandchildren outlive their run"


def test_a_cohort_that_dies_is_solved_again_member_by_member(tmp_path: Path) -> None:
    method = f"{PLUGINS}/faulty.py:OneBadMember(folder={str(tmp_path)!r})"
    report = run(write_suite(tmp_path / "s.toml", [method], seeds=4), store=tmp_path / "store", workers=1)
    assert report.statuses == {"ok": 3, "crashed": 1}
    assert [row["seed"] for row in report.failures] == [1]
    # One cohort of four, then each alone, which is run as two.
    sizes = sorted(int(path.name.split("-")[1]) for path in tmp_path.glob("cohort-*"))
    assert sizes == [2, 2, 2, 2, 4]


def test_inline_survives_what_raises(tmp_path: Path) -> None:
    methods = [f"{FAULTY}(how='raises')", f"{FAULTY}(how='wrong_shape')", LINE]
    report = run(write_suite(tmp_path / "s.toml", methods), store=tmp_path / "store", engine="inline")
    assert report.statuses == {"error": 4, "ok": 2}


def test_a_failed_run_counts_as_done_until_asked(tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "s.toml", [f"{FAULTY}(how='raises')", LINE], seeds=1)
    assert run(suite, store=tmp_path / "store", engine="inline").statuses == {"error": 1, "ok": 1}
    assert run(suite, store=tmp_path / "store", engine="inline").statuses == {}
    assert run(suite, store=tmp_path / "store", engine="inline", retry_failed=True).statuses == {"error": 1}
    assert run(suite, store=tmp_path / "store", engine="inline", force=True).statuses == {"error": 1, "ok": 1}
    assert len(Store(tmp_path / "store").rows()) == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_left_behind(tmp_path: Path, workers: int) -> None:
    suite = write_suite(tmp_path / "s.toml", [LINE])
    child = Command(["run", suite, "--store", str(tmp_path / "store"), "--workers", str(workers)], tmp_path / "says")
    inside: set[int] = set()
    while child.running:
        inside |= descendants(child.pid)
        time.sleep(0.02)
    assert child.wait() == 0
    assert len(inside) > 2 * workers  # the base of all forks, and two processes of each worker
    assert not [pid for pid in inside if alive(pid)]
