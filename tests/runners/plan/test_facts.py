"""The stored facts of tasks on boards are those of the tasks."""

from __future__ import annotations

import dataclasses
import json

import pytest

from dynamark.runners.facts import facts, measure
from dynamark.runners.plan.board import board_names, read_board
from dynamark.runners.plan.suite import SHIPPED
from dynamark.runners.registry import resolve_task
from dynamark.runners.spec import parse

ON_BOARDS = sorted({(task, board.tier) for board in map(read_board, board_names()) for task in board.tasks})
# Families whose data takes up to a minute to generate; their sizes are not measured again.
SLOW = ("koopman", "lds")


def test_every_task_on_a_board_has_facts_and_no_other_has() -> None:
    stored = json.loads((SHIPPED / "facts.json").read_text())
    assert sorted((task, tier) for tier, tasks in stored.items() for task in tasks) == ON_BOARDS
    assert facts("koopman/nobody", "standard") is None


@pytest.mark.parametrize(("task", "tier"), ON_BOARDS, ids=lambda value: value)
def test_stored_facts_are_those_of_the_task(task: str, tier: str) -> None:
    """Of slow tasks what does not depend on the tier, from the tiny one; and of linear systems samples by their fields."""
    stored = facts(task, tier)
    assert stored is not None
    resolved = resolve_task(parse(task), tier)
    if resolved.family not in SLOW:
        assert measure(resolved) == stored
        return
    measured = measure(resolve_task(parse(task), "tiny"))
    if resolved.family == "lds":
        fields = resolved.fields()
        assert stored.samples == max(fields["train"], 1) * fields["length"]
        assert stored.dimension == measured.dimension
    sizes = {"dimension": stored.dimension, "samples": stored.samples}
    assert dataclasses.replace(measured, **sizes) == stored
