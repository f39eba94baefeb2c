"""The Python example of docs/cluster.md runs as it is written, with submitit's executor for one machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from test_tutorial import BLOCK, ROOT

from dynamark.results.store import Store

SUITE = """
about = "Six cheap runs."
tier = "tiny"
seeds = 1

[[runs]]
tasks = ["koopman/vdp", "koopman/duffing"]
methods = ["persistence", "training_mean", "dmd"]
"""


def test_jobs_of_submitit_share_the_runs(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    (text,) = [
        text for language, _, text in BLOCK.findall((ROOT / "docs" / "cluster.md").read_text()) if "submitit" in text
    ]
    for written, small in {
        "lds/one_step": "six.toml",
        "/shared/results": "results",
        '"8"': '"1"',
        "16": "2",
        "17": "3",
    }.items():
        assert written in text
        text = text.replace(written, small)
    (here / "six.toml").write_text(SUITE)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    names: dict[str, Any] = {}
    exec(compile(text, "cluster", "exec"), names)
    assert len(names["jobs"]) == 2
    for job in names["jobs"]:
        job.result()
    rows = Store(here / "results").rows().to_pylist()
    assert len(rows) == 6
    assert {row["status"] for row in rows} == {"ok"}
