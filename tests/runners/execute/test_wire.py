"""What crosses to another process arrives as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamark.runners.execute import wire
from dynamark.tasks.numerics.operators import DenseOperator
from dynamark.tasks.problems import Forecasting, ForecastingQuery, Recovery, Rollout, Trajectories

plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(max_size=5)
trees = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=60, deadline=None)
@given(trees)
def test_plain_trees_arrive_unchanged(tmp_path_factory: pytest.TempPathFactory, tree: Any) -> None:
    folder = tmp_path_factory.mktemp("wire") / "x"
    wire.write(folder, tree)
    assert repr(wire.read(folder)) == repr(tree)


def test_problems_arrive_with_their_bits(tmp_path: Path) -> None:
    paths = Trajectories(torch.randn(2, 5, 3, dtype=torch.float64), inputs=torch.randn(2, 5, 1), dt=0.1)
    query = ForecastingQuery({"a": Rollout(paths, 7, torch.zeros(2, 7, 1))}, lyapunov_steps=3)
    wire.write(tmp_path / "x", [Forecasting(paths, paths, 5, query)])
    (back,) = wire.read(tmp_path / "x")
    assert isinstance(back, Forecasting)
    assert torch.equal(back.train.observations, paths.observations)
    assert back.train.observations.dtype == torch.float64
    assert back.query is not None
    assert back.query.rollouts["a"].horizon == 7
    assert (back.context, back.train.dt) == (5, 0.1)


def test_a_shared_array_is_kept_once_and_is_one_array_again(tmp_path: Path) -> None:
    rows = torch.randn(300, 400, dtype=torch.float64)
    operator = DenseOperator(rows, (20, 20))
    problems = [Recovery(operator, torch.randn(300, dtype=torch.float64), False) for _ in range(3)]
    wire.write(tmp_path / "x", problems)
    assert len(list((tmp_path / "x").glob("*.npy"))) == 4
    back = wire.read(tmp_path / "x")
    assert back[0].operator.rows is back[2].operator.rows
    assert torch.equal(back[0].operator.rows, rows)


def test_arrays_of_answers_stay_numpy_and_complex(tmp_path: Path) -> None:
    wire.write(tmp_path / "x", {"eigenvalues": torch.tensor([1 + 2j]), "count": np.float64(2.5)})
    back = wire.read(tmp_path / "x")
    assert isinstance(back["eigenvalues"], np.ndarray)
    assert back["eigenvalues"][0] == 1 + 2j
    assert back["count"] == 2.5


def test_strangers_do_not_cross(tmp_path: Path) -> None:
    from dataclasses import dataclass

    @dataclass
    class Stranger:
        x: int = 0

    with pytest.raises(TypeError, match="Stranger is not in the vocabulary"):
        wire.write(tmp_path / "x", Stranger())


def test_half_written_folders_have_no_tree(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        wire.write(tmp_path / "x", [np.ones(3), object()])
    assert not (tmp_path / "x" / "tree.json").exists()
