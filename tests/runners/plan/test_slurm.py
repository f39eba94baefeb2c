"""The job array of a suite, and the shards that it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import LINE, write_suite

from dynamark.cli import main
from dynamark.results.store import Store
from dynamark.runners.plan.slurm import array


@pytest.mark.parametrize(
    ("seconds", "hours", "shards", "fits"),
    [
        ([10.0] * 8, 1.0, 1, True),
        ([3600.0] * 8, 3.0, 4, True),  # of 7,560 s that are planned for, less the start: two hours fit
        ([3600.0] * 8, 1.0, 8, False),
        ([0.0], 0.001, 1, False),
        ([7200.0, 1.0, 7200.0, 1.0], 4.5, 3, True),  # two shards would put both long ones together
    ],
)
def test_as_many_shards_as_the_predicted_seconds_need(
    seconds: list[float], hours: float, shards: int, fits: bool
) -> None:
    jobs = array(seconds, hours, 1)
    assert (jobs.shards, jobs.fits and jobs.shards == shards) == (shards, fits)


def test_the_array_runs_every_run_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The script itself is run, as Slurm would run it, once for each number of its array; then the parts are merged."""
    suite = write_suite(tmp_path / "a suite.toml", [LINE], seeds=3)
    assert main(["slurm", suite, "--hours", "0.001", "--cores", "1", "--store", str(tmp_path / "store")]) == 0
    text = capsys.readouterr().out
    assert "#SBATCH --array=1-3\n" in text
    command = f"{sys.executable} -P -m dynamark"
    (tmp_path / "job.sh").write_text(text.replace("exec dynamark run", f"exec {command} run --engine inline"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    for number in ("1", "3"):
        own = {**environment, "SLURM_ARRAY_TASK_ID": number}
        subprocess.run(["bash", tmp_path / "job.sh"], env=own, check=True, capture_output=True, timeout=120)
    assert sorted(Store(tmp_path / "store").rows(["seed"])["seed"].to_pylist()) == [0, 2]
    assert main(["run", suite, "--shard", "2/3", "--engine", "inline", "--store", str(tmp_path / "b"), "--quiet"]) == 0
    assert main(["results", "merge", str(tmp_path / "store"), str(tmp_path / "b"), "--store", str(tmp_path / "c")]) == 0
    merged = Store(tmp_path / "c").rows()
    assert sorted(merged["seed"].to_pylist()) == [0, 1, 2]
    both = {key for name in ("store", "b") for key in Store(tmp_path / name).status()}
    assert set(merged["key"].to_pylist()) == both


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["slurm", "quick", "--hours", "nan"], "invalid hours"),
        (["slurm", "quick", "--hours", "1", "--cores", "0"], "invalid --cores"),
        (["results", "merge", "/no/folder", "--store", "x"], "/no/folder does not exist"),
    ],
)
def test_errors_are_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert message in capsys.readouterr().err
