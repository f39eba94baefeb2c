"""The two ends of every task's scale lie apart by the margin that the task states, on all published seeds."""

from __future__ import annotations

import math

import pytest
from scale_table import SEEDS, Ends, kept, measured, shipped

from dynamark.tasks.base import Task
from dynamark.tasks.catalog import TASKS
from dynamark.tasks.chaos.tasks import Reconstruction

# How far the training orbit may be from the test orbit, in floors: both are orbits of one attractor, of one length.
_NEAR = 3.0


def assert_apart(task: Task, ends: Ends) -> None:
    """Without an oracle there is no scale, and the baseline alone is checked."""
    for baseline, oracle in zip(ends.baseline, ends.oracle, strict=True):
        assert math.isfinite(baseline)
        if oracle is not None:
            better, worse = (oracle, baseline) if task.primary.lower_is_better else (baseline, oracle)
            assert better <= task.margin * worse, f"{task.name}: oracle {oracle}, baseline {baseline}"
            assert max(better, task.floor) < worse
    for distance, oracle in zip(ends.train or (), ends.oracle, strict=bool(ends.train)):
        assert oracle is not None
        assert distance <= _NEAR * oracle, f"{task.name}: the training orbit is {distance} from the test orbit"


@pytest.mark.parametrize("entry", kept())
def test_the_scale_has_two_ends_on_all_published_seeds(entry: str) -> None:
    """From the table, which must be that of the task as it is: after a change `python tests/scale_table.py NAME`."""
    name, tier = entry.rsplit("/", 1)
    task, ends = shipped(name, tier), kept()[entry]
    assert 0 < task.margin < 1
    assert ends.digest == task.digest
    assert len(ends.baseline) == len(SEEDS)
    assert (ends.train is not None) == isinstance(task, Reconstruction)
    assert_apart(task, ends)


def test_the_table_holds_every_task_at_the_tiny_tier_and_none_that_is_gone() -> None:
    names = [entry.rsplit("/", 1) for entry in kept()]
    assert {name for name, tier in names if tier == "tiny"} == TASKS.keys()
    assert {name for name, _ in names} == TASKS.keys()


@pytest.mark.parametrize("name", TASKS)
def test_the_table_is_what_is_measured(name: str) -> None:
    """At the tiny tier, for the seed that the task's name picks, so that all seeds occur."""
    seed = sum(name.encode()) % len(SEEDS)
    now, then = measured(shipped(name, "tiny"), [seed]), kept()[f"{name}/tiny"]
    assert now.baseline[0] == pytest.approx(then.baseline[seed], rel=1e-6)
    assert now.oracle[0] == (
        None if then.oracle[seed] is None else pytest.approx(then.oracle[seed], rel=1e-4, abs=1e-9)
    )


def test_an_instance_on_two_attractors_is_noticed() -> None:
    """The training orbit on one cycle, the test orbit on another: the oracle is as bad as ignorance, or the orbits are far."""
    task = shipped("chaos/bursting_neuron", "tiny")
    with pytest.raises(AssertionError, match="oracle 12"):
        assert_apart(task, Ends("", [13.2], [12.8], [0.1]))
    with pytest.raises(AssertionError, match="the training orbit"):
        assert_apart(task, Ends("", [13.2], [0.9], [14.6]))
