"""Same key, same scores to the bit: whatever the engine, the workers, the order, and the neighbors in a cohort."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from support import DRAWN, LINE, WALK, write_suite

from dynamark.results.store import Store
from dynamark.runners import conduct as running
from dynamark.runners.plan.cohorts import cohorts
from dynamark.runners.run import run


def told(store: Path) -> dict[str, tuple[str, str, str]]:
    return {r["key"]: (r["status"], repr(r["scores"]), repr(r["curves"])) for r in Store(store).rows().to_pylist()}


@pytest.fixture
def suite(tmp_path: Path) -> str:
    return write_suite(tmp_path / "s.toml", [LINE, f"{LINE}(gain=0.9)", DRAWN], [WALK, f"{WALK}(noise=0.3)"], seeds=3)


def test_engines_and_workers_agree(tmp_path: Path, suite: str) -> None:
    run(suite, store=tmp_path / "inline", engine="inline")
    run(suite, store=tmp_path / "one", workers=1)
    run(suite, store=tmp_path / "two", workers=2)
    whole = told(tmp_path / "inline")
    assert len(whole) == 18
    assert told(tmp_path / "one") == told(tmp_path / "two") == whole


def test_the_order_does_not_matter(tmp_path: Path, suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run(suite, store=tmp_path / "straight", engine="inline")

    def shuffled(runs: Any) -> Any:
        batches = cohorts(runs)
        random.Random(1).shuffle(batches)
        return batches

    monkeypatch.setattr(running, "cohorts", shuffled)
    run(suite, store=tmp_path / "shuffled", engine="inline")
    assert told(tmp_path / "straight") == told(tmp_path / "shuffled")


def test_shards_make_the_whole(tmp_path: Path, suite: str) -> None:
    run(suite, store=tmp_path / "whole", engine="inline")
    for part in (1, 2, 3):
        run(suite, store=tmp_path / "shards", engine="inline", shard=(part, 3))
    assert told(tmp_path / "whole") == told(tmp_path / "shards")


def test_a_salt_moves_the_data_of_every_seed(tmp_path: Path, suite: str) -> None:
    run(suite, store=tmp_path / "store", engine="inline", method=[f"{LINE}(gain=0.9)"])
    run(suite, store=tmp_path / "store", engine="inline", method=[f"{LINE}(gain=0.9)"], salt="held out")
    values = [r["primary"]["value"] for r in Store(tmp_path / "store").rows().to_pylist()]
    assert len(set(values)) == 12


def test_methods_meet_the_same_data(tmp_path: Path, suite: str) -> None:
    run(suite, store=tmp_path / "store", engine="inline")
    rows = Store(tmp_path / "store").rows().to_pylist()
    scales: dict[tuple[str, int], set[float]] = {}
    for row in rows:
        scales.setdefault((row["task"], row["seed"]), set()).add(row["primary"]["baseline"])
    assert all(len(actual) == 1 for actual in scales.values())
    assert len(set.union(*scales.values())) == 6
