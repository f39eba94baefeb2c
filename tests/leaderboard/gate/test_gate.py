"""The gate at work on runs that were really done: what it must catch, and that it does not fire on the same code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from support import FAULTY, LINE, WALK, entry
from synthetic import store

from dynamark.leaderboards.gate.compare import compare
from dynamark.results.store import Store
from dynamark.runners.plan.suite import Suite
from dynamark.runners.run import run

TASKS = (WALK, f"{WALK}(length=30)")
NOISY = (f"{WALK}(noise=0.1)", f"{WALK}(noise=0.1, length=30)")
SLOW = """
import time
from dataclasses import dataclass

@dataclass(frozen=True)
class Slow:
    seconds: float = 0.15

    def fit_forecaster(self, problem, run):
        end = time.process_time() + self.seconds
        while time.process_time() < end:
            pass
        return self

    def forecast(self, context, horizon, inputs=None):
        return context.observations[:, -1:].expand(-1, horizon, -1)
"""


def done(folder: Path, methods: Sequence[str], seeds: Sequence[int] = range(5), tasks: Sequence[str] = TASKS) -> Path:
    """A store with these runs."""
    run(Suite("s", "", (entry(tuple(tasks), tuple(methods), "tiny", 1),)), seeds=seeds, store=folder, engine="inline")
    return folder


def verdicts(base: Path, new: Path) -> tuple[int, set[tuple[str, str]]]:
    comparison = compare(base, new)
    return comparison.exit_code, {(v.method, v.verdict) for v in comparison.verdicts}


def test_the_same_code_again_is_the_same(tmp_path: Path) -> None:
    stores = [done(tmp_path / name, [f"mine={LINE}(gain=0.5)"]) for name in ("base", "new")]
    assert verdicts(*stores) == (0, {("mine", "same")})


def test_a_method_whose_code_became_5_percent_worse(tmp_path: Path) -> None:
    """The error of a line of gain g goes like 1 - g."""
    base = done(tmp_path / "base", [f"mine={LINE}(gain=0.5)", "persistence"])
    new = done(tmp_path / "new", [f"mine={LINE}(gain=0.475)", "persistence"])
    assert verdicts(base, new) == (1, {("mine", "worse"), ("persistence", "same")})
    assert verdicts(new, base) == (0, {("mine", "better"), ("persistence", "same")})


def test_a_method_whose_code_became_twice_slower(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    base, new = (
        done(
            tmp_path / str(seconds),
            [f"mine={tmp_path}/slow.py:Slow(seconds={seconds})", "persistence"],
            tasks=TASKS[:1],
        )
        for seconds in (0.15, 0.3)
    )
    assert verdicts(base, new) == (1, {("mine", "slower"), ("persistence", "same")})
    assert verdicts(new, base)[0] == 0


@pytest.mark.parametrize("how", ["raises", "wrong_shape"])
def test_a_method_whose_code_fails_now(tmp_path: Path, how: str) -> None:
    base = done(tmp_path / "base", [f"mine={LINE}", "persistence"])
    new = done(tmp_path / "new", [f"mine={FAULTY}(how={how!r})", "persistence"])
    assert verdicts(base, new) == (4, {("mine", "failed"), ("persistence", "same")})


def test_twenty_repeats_of_the_same_code_with_other_seeds_do_not_fire(tmp_path: Path) -> None:
    """Each repeat measures the same methods on other data: what differs is noise, however large."""
    methods = [f"{LINE}(gain={gain})" for gain in (0.9, 0.5, 0.2)] + ["persistence", "training_mean"]
    whole = Store(done(tmp_path / "all", methods, range(105), NOISY)).rows().to_pylist()
    repeats = [
        store(tmp_path / str(k), [{**r, "seed": r["seed"] % 5} for r in whole if r["seed"] // 5 == k])
        for k in range(21)
    ]
    codes = [compare(repeats[0], repeat).exit_code for repeat in repeats[1:]]
    assert codes == [0] * 20
    pairs = len(methods) * len(NOISY)
    assert [len(compare(repeats[0], repeat).verdicts) for repeat in repeats[1:]] == [pairs] * 20
