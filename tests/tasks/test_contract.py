"""What is checked before a method sees data."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from dynamark.errors import UserError
from dynamark.tasks.contract import accepted, resting, windowed
from dynamark.tasks.numerics.operators import DenseOperator
from dynamark.tasks.problems import (
    Forecasting,
    ForecastingQuery,
    Online,
    OnlineQuery,
    Prediction,
    PredictionQuery,
    Recovery,
    Rollout,
    Trajectories,
)

X = torch.randn(3, 10, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
U = X[..., :1].clone()


def spoiled(x: torch.Tensor, n: int, t: int, c: int, value: float = torch.nan) -> torch.Tensor:
    x = x.clone()
    x[n, t, c] = value
    return x


def posed(train: Trajectories, query: ForecastingQuery | None = None) -> Forecasting:
    return Forecasting(train, Trajectories(X, U), 1, query)


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (posed(Trajectories(spoiled(X, 2, 7, 1))), "training data: nan at trajectory 2, time 7, channel 1"),
        (posed(Trajectories(spoiled(X, 0, 0, 0, torch.inf))), "training data: inf at trajectory 0, time 0, channel 0"),
        (
            posed(Trajectories(X, spoiled(U, 1, 3, 0))),
            "inputs of training data: nan at trajectory 1, time 3, channel 0",
        ),
        (posed(Trajectories(X, twin=spoiled(X, 1, 3, 0))), "second successors of training data: nan at trajectory 1"),
        (replace(posed(Trajectories(X)), validation=Trajectories(spoiled(X, 1, 1, 1))), "validation data: nan at"),
        (
            posed(Trajectories(X), ForecastingQuery({"long": Rollout(Trajectories(spoiled(X, 1, 2, 0)), 3)})),
            "the contexts of 'long': nan at trajectory 1, time 2, channel 0",
        ),
        (
            Prediction(Trajectories(X), Trajectories(X), PredictionQuery(Trajectories(spoiled(X, 0, 9, 1)))),
            "the sequences to predict: nan at trajectory 0, time 9, channel 1",
        ),
        (Online(1, 2, 10, OnlineQuery(spoiled(U, 0, 4, 0), X)), "inputs: nan at trajectory 0, time 4, channel 0"),
        (posed(Trajectories(X[:0])), "training data: there is no trajectory; give at least one"),
        (posed(Trajectories(X[:, :1])), "training data: trajectories have 1 sample, and this method needs at least 2"),
        (
            posed(Trajectories(X, lengths=torch.tensor([10, 1, 4]))),
            "training data: trajectory 1 has 1 sample, and this method needs at least 2; leave it out",
        ),
        (
            posed(
                Trajectories(X), ForecastingQuery({"a": Rollout(Trajectories(X, lengths=torch.tensor([1, 2, 3])), 3)})
            ),
            "the contexts of 'a' have unequal lengths; give a separate query for each length",
        ),
        (
            Recovery(DenseOperator(torch.ones(2, 4), (2, 2)), torch.tensor([1.0, torch.nan]), False),
            "measurement 1 is nan; leave it out",
        ),
        (Recovery(DenseOperator(torch.ones(2, 4), (2, 2)), torch.zeros(2), False), "all measurements are zero"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(problem: object, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)) as refusal:
        accepted(problem)
    assert "\n" not in str(refusal.value)


def test_a_method_declares_how_many_samples_it_needs() -> None:
    assert accepted(posed(Trajectories(X)), 10) is not None
    with pytest.raises(UserError, match="have 10 samples, and this method needs at least 11; give longer ones"):
        accepted(posed(Trajectories(X)), 11)


def test_data_becomes_float64_and_is_otherwise_unchanged() -> None:
    query = ForecastingQuery(
        {"a": Rollout(Trajectories(X[:, :2].float(), U[:, :2].float()), 3, U[:, :3].float())}, X.float()
    )
    given = accepted(posed(Trajectories(X.float(), U.float(), dt=0.5), query))
    rollout = given.query.rollouts["a"]
    for part in (given.train.observations, given.train.inputs, rollout.context.observations, rollout.inputs):
        assert part.dtype == torch.float64
    assert torch.equal(given.train.observations, X.float().double())
    assert given.train.dt == 0.5
    assert given.query.points.dtype == torch.float64


def test_what_a_mask_hides_may_be_missing() -> None:
    """It becomes the mean of its channel, so that arithmetic on it harms nothing."""
    seen = torch.ones(3, 10, dtype=torch.bool)
    seen[1, 4] = False
    given = accepted(posed(Trajectories(spoiled(X, 1, 4, 0), seen=seen)))
    assert torch.equal(given.train.observations[seen], X[seen])
    shown = torch.cat([X[..., 0].flatten()[:14], X[..., 0].flatten()[15:]])
    torch.testing.assert_close(given.train.observations[1, 4, 0], shown.mean())


@pytest.mark.parametrize("lengths", [(10, 4, 7), (10, 10, 10), (3, 10, 2), (9, 1, 5), (5, 4, 4)])
def test_windows_of_equal_length_hold_every_step(lengths: tuple[int, ...]) -> None:
    """Each pair of successive samples of each trajectory, and nothing of what stands beyond the end."""
    marks = torch.arange(30, dtype=torch.float64).reshape(3, 10, 1)
    given = windowed(Trajectories(marks, inputs=marks, lengths=torch.tensor(lengths)))
    windows = given.observations[..., 0]
    assert given.lengths is None
    assert windows.shape[1] == min(lengths)
    assert torch.equal(given.inputs, given.observations)
    wanted = {(10 * n + t, 10 * n + t + 1) for n, length in enumerate(lengths) for t in range(length - 1)}
    windows_seen = {(int(a), int(b)) for window in windows for a, b in pairwise(window)}
    assert windows_seen == (wanted if min(lengths) > 1 else set())
    assert all(int(mark) % 10 < lengths[int(mark) // 10] for mark in windows.flatten())


def test_an_empty_context_becomes_a_sample_at_rest() -> None:
    start = resting(Trajectories(X[:, :0], U[:, :0]))
    assert torch.equal(start.observations, torch.zeros(3, 1, 2, dtype=torch.float64))
    assert torch.equal(start.inputs, torch.zeros(3, 1, 1, dtype=torch.float64))
    whole = Trajectories(X)
    assert resting(whole) is whole
