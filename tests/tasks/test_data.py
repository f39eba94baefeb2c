"""Data on disk: the cache, digests, export."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import datasets
import numpy as np
import pytest
from plugins.walk import Walk

from dynamark.errors import UserError
from dynamark.folders import cache_folder
from dynamark.tasks import base, cache, data


def cached(task: base.Task, seed: int) -> dict[str, np.ndarray]:
    """The data of an instance as `Task.data` takes it from the cache."""
    return dict(cache.cached(f"{task.digest[:32]}-{seed}", lambda: task.generate(seed)))


@dataclass(frozen=True, kw_only=True)
class Costly(Walk):
    """A walk that is kept on disk, and counts how often it is made."""

    cached: ClassVar[bool] = True
    made: ClassVar[list[int]] = []

    def generate(self, seed: int) -> dict[str, np.ndarray]:
        self.made.append(seed)
        return super().generate(seed)


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Costly:
    monkeypatch.setenv("DYNAMARK_CACHE", str(tmp_path / "cache"))
    Costly.made.clear()
    return Costly(name="test/costly", tier="tiny", length=5)


def entry() -> Path:
    (actual,) = (cache_folder() / "data").iterdir()
    return actual


def test_the_cache_gives_the_same_bits_without_making_them_again(task: Costly) -> None:
    first, second = cached(task, 3), cached(task, 3)
    assert Costly.made == [3]
    assert {k: v.tobytes() for k, v in first.items()} == {k: v.tobytes() for k, v in second.items()}
    assert second["paths"].shape == first["paths"].shape
    assert not [p for p in entry().parent.iterdir() if p != entry()], "no scratch folders are left"


@dataclass(frozen=True, kw_only=True)
class Turned(Costly):
    """A walk whose arrays lie in memory the other way round."""

    def generate(self, seed: int) -> dict[str, np.ndarray]:
        return {name: np.asfortranarray(x) for name, x in super().generate(seed).items()}


def test_fresh_and_cached_data_have_the_same_layout(task: Costly) -> None:
    turned = Turned(name="test/turned", tier="tiny", length=5)
    fresh = turned.data(0)["paths"]
    base._memoized.cache_clear()
    again = turned.data(0)["paths"]
    assert Costly.made == [0]
    assert fresh.strides == again.strides


def test_another_parameter_or_seed_is_another_entry(task: Costly) -> None:
    cached(task, 0)
    cached(task, 1)
    cached(Costly(name="test/costly", tier="tiny", length=5, noise=0.1), 0)
    assert len(list((cache_folder() / "data").iterdir())) == 3


def test_a_damaged_entry_is_made_again(task: Costly) -> None:
    first = cached(task, 0)
    for path in entry().glob("*.arrow"):
        path.write_bytes(b"nonsense")
    np.testing.assert_array_equal(cached(task, 0)["paths"], first["paths"])
    assert Costly.made == [0, 0]


def test_a_cache_that_cannot_be_written_costs_time_only(task: Costly, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert cached(task, 0)["paths"].shape == (3, 10, 2)


def test_tasks_remember_their_data_within_a_process(task: Costly) -> None:
    assert task.data(7) is task.data(7)


def test_digests_tell_content_from_content(task: Costly) -> None:
    record = data.digest_record(task, 0)
    assert json.loads(json.dumps(record)) == record
    assert len(record["samples"]) == 64
    assert data.verify_record(task, 0, record) is None
    assert "the bits differ" in str(data.verify_record(task, 1, record))


@dataclass(frozen=True, kw_only=True)
class Rounded(Walk):
    """A walk that another processor rounded."""

    def generate(self, seed: int) -> dict[str, np.ndarray]:
        return {name: x * (1 + 1e-15) for name, x in super().generate(seed).items()}


def test_one_bit_is_told() -> None:
    record = data.digest_record(Walk(name="test/walk", length=5), 0)
    assert "the bits differ; its 64 samples by at most" in str(
        data.verify_record(Rounded(name="test/walk", length=5), 0, record)
    )


def test_another_length_is_told() -> None:
    record = data.digest_record(Walk(name="test/walk", length=5), 0)
    record["samples"] = record["samples"][:5]
    assert data.verify_record(Walk(name="test/walk", length=6), 0, record) == "the number of samples differs"


def test_an_export_is_a_data_set_with_a_card(task: Costly, tmp_path: Path) -> None:
    data.export(task, 0, tmp_path / "out")
    loaded = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "hf"))
    (row,) = list(loaded)
    result = np.asarray(row["values"]).reshape(row["shape"])
    np.testing.assert_array_equal(result, task.generate(0)["paths"])
    card = (tmp_path / "out" / "README.md").read_text()
    assert "test/costly" in card
    assert data.content_digest(task.generate(0)) in card


def test_an_export_to_a_place_that_cannot_be_written_is_told(task: Costly, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another folder"):
        data.export(task, 0, tmp_path / "file" / "below")


def test_shipped_digests_are_known_for_every_task() -> None:
    from dynamark.tasks.catalog import TASKS

    folder = Path(data.__file__).parent / "digests"
    known = {key for path in folder.glob("*.json") for key in json.loads(path.read_text())}
    assert known == {f"{name}/tiny/{seed}" for name in TASKS for seed in range(5)}
