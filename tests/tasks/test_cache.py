"""The cache is checked whenever it is read: changed bytes are made again, never used."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from dynamark.tasks.cache import cached

FLIPS = int(os.environ.get("DYNAMARK_FLIPS", "150"))


def test_no_flip_in_the_cache_changes_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNAMARK_CACHE", str(tmp_path))
    truth = {"a": np.random.default_rng(0).standard_normal((20, 3)), "b": np.arange(7.0)}
    collected = []

    def generate() -> dict[str, np.ndarray]:
        collected.append(1)
        return truth

    cached("entry", generate)
    places = random.Random(0)
    for _ in range(FLIPS):
        files = sorted(p for p in (tmp_path / "data" / "entry").iterdir() if p.stat().st_size)
        path = places.choice(files)
        content = bytearray(path.read_bytes())
        bit = places.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        read = cached("entry", generate)
        assert {name: array.tobytes() for name, array in read.items()} == {n: a.tobytes() for n, a in truth.items()}
    assert len(collected) > 1
    assert len(list((tmp_path / "data").iterdir())) == 1
