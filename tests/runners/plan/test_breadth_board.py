"""The board in breadth: its flows follow the rule that its file states, and it loads and shows without a result."""

from __future__ import annotations

import pytest
from scale_table import measured

from dynamark.leaderboards.boards import BoardTable, board_table
from dynamark.results.schema import SCHEMA
from dynamark.runners.plan.complete import load_board
from dynamark.runners.registry import resolve_task
from dynamark.runners.spec import parse
from dynamark.tasks.chaos.breadth import Flows
from dynamark.tasks.chaos.flows import FLOWS

BOARD = load_board("chaos/breadth")


def test_the_flows_are_those_of_the_rule() -> None:
    """All flows of more than three dimensions, and fifteen of three at equal distances in the order of entropy per period."""

    def entropy(name: str) -> float:
        return FLOWS[name].period * sum(exponent for exponent in FLOWS[name].lyapunov if exponent > 0)

    flat = sorted((name for name, flow in FLOWS.items() if len(flow.lyapunov) == 3), key=entropy)
    high = [name for name in FLOWS if name not in flat]
    chosen = [flat[i * (len(flat) - 1) // 14] for i in range(15)]
    tasks = [resolve_task(parse(task), BOARD.tier) for task in BOARD.tasks]
    assert [task.flow for task in tasks if isinstance(task, Flows)] == [*chosen, *high]
    assert len(BOARD.tasks) == 20


@pytest.mark.parametrize("flow", ["sprott_m", "lorenz84", "lorenz_coupled"])
def test_oracle_and_baseline_are_apart_by_the_margin_of_the_task(flow: str) -> None:
    """The least and the largest entropy, and the most dimensions; at the tiny tier, because the others take seconds."""
    task = resolve_task(parse(f"chaos/flows(flow='{flow}')"), "tiny")
    ends = measured(task, [0])
    assert ends.oracle[0] is not None
    assert task.floor < ends.oracle[0] <= task.margin * ends.baseline[0]


def test_without_results_the_board_ranks_nobody() -> None:
    table = board_table(BOARD, SCHEMA.empty_table())
    assert isinstance(table, BoardTable)
    assert table.places == ()
    assert [hole.method for hole in table.holes] == sorted(BOARD.methods)
