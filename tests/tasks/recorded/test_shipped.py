"""The recordings that installed packages ship: their numbers, their splits, and their scales."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dynamark import UserError
from dynamark.runners.registry import resolve_task
from dynamark.runners.spec import Spec
from dynamark.tasks.catalog import TASKS
from dynamark.tasks.contract import accepted
from dynamark.tasks.recorded import shipped
from dynamark.tasks.recorded.shipped import RECORDINGS

NAMES = [name for name in TASKS if name.startswith("recorded/")]
for package in {recording.package for recording in RECORDINGS.values()}:
    pytest.importorskip(package)


@pytest.mark.parametrize("name", NAMES)
def test_each_can_be_posed_and_its_trivial_answers_score_themselves(name: str) -> None:
    task: Any = resolve_task(Spec(name), "standard")
    problem: Any = accepted(task.problem(0))
    rollout = problem.query.rollouts["windows"]
    assert rollout.context.observations.shape[1] == task.context
    assert len(rollout.context) >= 5
    last = np.repeat(rollout.context.observations[:, -1:].numpy(), task.horizon, axis=1)
    values = task.score({"forecast.windows": last}, 0).values
    best = min(values[key] for key in ("persistence", "seasonal", "mean") if key in values)
    assert values["nrmse"] == values["persistence"]
    assert values["relative_error"] == values["persistence"] / best >= 1
    assert ("seasonal" in values) == (task.period > 1)


def test_every_recording_is_a_task() -> None:
    assert {resolve_task(Spec(name), "tiny").fields()["series"] for name in NAMES} == set(RECORDINGS)


def test_known_values() -> None:
    first = {name: recording.read() for name, recording in RECORDINGS.items()}
    assert first["sunspots"][:3, 0].tolist() == [5.0, 11.0, 16.0]
    assert first["elnino"][:2, 0].tolist() == [23.11, 24.2]
    assert first["elnino"].shape == (61 * 12, 1)
    assert first["nile"][0] == 1120
    assert first["economy"][0].tolist() == [2.82, 5.8, 0.0]
    assert np.isfinite(first["co2"]).all()
    assert first["laser"][:3, 0].tolist() == [86, 141, 95]
    assert first["laser"].shape == (2000, 1)


def test_values_in_python_source_are_those_of_its_functions() -> None:
    datasets = pytest.importorskip("pmdarima.datasets")
    assert RECORDINGS["lynx"].read()[:, 0].tolist() == datasets.load_lynx().tolist()
    assert RECORDINGS["heart_rate"].read()[:, 0].tolist() == datasets.load_heartrate().tolist()


def test_the_longest_stretch() -> None:
    known = np.array([1, 1, 0, 1, 1, 1, 0, 1], dtype=bool)
    assert shipped._longest(known) == slice(3, 6)
    assert shipped._longest(np.ones(4, dtype=bool)) == slice(0, 4)


def test_other_numbers_under_the_same_name_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECORDINGS, "nile", replace(RECORDINGS["nile"], content="0" * 64))
    task = resolve_task(Spec("recorded/nile"), "tiny")
    with pytest.raises(UserError, match="the recording 'nile' of the installed statsmodels has other numbers"):
        task.generate(0)


def test_without_the_package_or_with_a_salt_it_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "leave --salt out" in str(resolve_task(Spec("recorded/nile"), "tiny", "x").unavailable)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("nile", "laser", "lynx"):
        task = resolve_task(Spec(f"recorded/{name}"), "tiny")
        remedy = f"needs {RECORDINGS[name].package}, which is not installed; pip install 'dynamark[series]'"
        assert task.unavailable == remedy
        with pytest.raises(UserError, match=re.escape(remedy)):
            task.generate(0)
