"""Experiments are planned, isolated, keyed and journaled like runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import LINE, PLUGINS, WALK, entry

from dynamark.leaderboards.assemble import leaderboard
from dynamark.results.schema import Row
from dynamark.results.store import Store
from dynamark.runners.execute import scorer
from dynamark.runners.plan.suite import Suite
from dynamark.runners.run import run
from dynamark.runners.spec import Spec
from dynamark.tasks.base import Curve

ERROR = f"{PLUGINS}/measured.py:StandardError"


def rows(store: Path) -> list[Row]:
    return sorted(Store(store).rows().to_pylist(), key=lambda row: (row["task"], row["seed"]))


def test_inline_and_local_measure_the_same_bits(tmp_path: Path) -> None:
    suite = Suite("s", "", (), experiments=((Spec(ERROR), 2), (Spec(ERROR, {"draws": 400}), 1)))
    assert run(suite, store=tmp_path / "inline", engine="inline").statuses == {"ok": 3}
    assert run(suite, store=tmp_path / "local", workers=2).statuses == {"ok": 3}
    result = [
        [(r["key"], r["task"], r["scores"], r["curves"]) for r in rows(tmp_path / e)] for e in ("inline", "local")
    ]
    assert result[0] == result[1]
    assert len({r["scores"][0]["value"] for r in rows(tmp_path / "inline")}) == 3
    assert run(suite, store=tmp_path / "local").skipped == 3


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_failing_experiment_costs_itself_alone(tmp_path: Path, engine: str) -> None:
    entries = (entry((WALK,), (LINE,), "tiny", 1),)
    suite = Suite("s", "", entries, experiments=((Spec(ERROR, {"broken": True}), 1), (Spec(ERROR), 1)))
    report = run(suite, store=tmp_path, engine=engine)  # type: ignore[arg-type]  # a parameter of the test
    assert report.statuses == {"ok": 2, "error": 1}
    assert "no such luck (measured.py:" in report.failures[0]["reason"]


def test_experiments_stay_out_of_the_tables(tmp_path: Path) -> None:
    suite = Suite("s", "", (entry((WALK,), (LINE,), "tiny", 1),), experiments=((Spec(ERROR), 1),))
    run(suite, store=tmp_path, engine="inline")
    table = str(leaderboard(tmp_path, published=False))
    assert "walk.py:Line" in table
    assert "measured" not in table


def test_another_salt_draws_other_numbers(tmp_path: Path) -> None:
    suite = Suite("s", "", (), experiments=((Spec(ERROR), 1),))
    run(suite, store=tmp_path, engine="inline")
    run(suite, store=tmp_path, engine="inline", salt="other")
    first, second = rows(tmp_path)
    assert first["scores"] != second["scores"]


def test_a_line_keeps_128_points_and_a_picture_more() -> None:
    x = np.arange(5000.0)
    line, picture = scorer._columns({}, [Curve("a", x, x), Curve("b", x, 2 * x, most=2000)], {})["curves"]
    assert (len(line["axis"]), len(picture["axis"])) == (128, 2000)
    assert (line["axis"][0], line["values"][-1]) == (0, 4999)
    assert picture["values"] == [2 * v for v in picture["axis"]]
