"""Groups against their definition, and the task that tracks their products."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dynamark.errors import UserError
from dynamark.tasks.lds.state_tracking import StateTracking, solved_length
from dynamark.tasks.numerics.groups import GROUPS, abelian_index, running_products, table_of


@pytest.mark.parametrize(
    ("name", "order", "index"), [("c2", 2, 1), ("v4", 4, 1), ("c6", 6, 1), ("s3", 6, 3), ("a5", 60, 60)]
)
def test_tables_are_groups_of_known_order(name: str, order: int, index: int) -> None:
    table = table_of(name)
    assert table.shape == (order, order)
    assert (table[0] == np.arange(order)).all()
    assert (table[:, 0] == np.arange(order)).all()
    for axis in (0, 1):
        assert (np.sort(table, axis=axis) == np.arange(order).reshape((-1, 1) if axis == 0 else (1, -1))).all()
    a, b, c = np.random.default_rng(0).integers(order, size=(3, 500))
    assert (table[table[a, b], c] == table[a, table[b, c]]).all()
    assert abelian_index(name) == index
    assert (index == 1) == bool((table == table.T).all())


def test_every_function_of_counts_is_bounded_by_the_commutator_subgroup() -> None:
    """All words of six letters of s3, by brute force: the best guess from the counts is right in .44 of them, above 1/3."""
    words = np.array(list(itertools.product(range(6), repeat=6)))
    ends = running_products("s3", words)[:, -1]
    counts = np.apply_along_axis(np.bincount, 1, words, minlength=6)
    keys = counts @ 10 ** np.arange(6)
    best = sum(np.bincount(ends[keys == key]).max() for key in np.unique(keys))
    assert best / len(words) == pytest.approx(0.4392, abs=1e-4)
    assert best / len(words) > 1 / abelian_index("s3")


def test_products_are_those_of_the_letters() -> None:
    task = StateTracking.at("tiny", group="a5", test=5)
    data, table = task.data(3), table_of("a5")
    for letters, products in zip(data["test.letters"], data["test.products"], strict=True):
        state = 0
        for letter, product in zip(letters, products, strict=True):
            state = table[letter, state]
            assert state == product


def test_scores_are_shares_by_length() -> None:
    task = StateTracking.at("tiny")
    truth = task.data(0)["test.products"]
    perfect = np.eye(6)[truth]
    assert task.score({"forecast.words": perfect}, 0).values == {
        "accuracy": 1, "accuracy_trained": 1, "accuracy_end": 1, "solved_length": task.length,
    }  # fmt: skip
    wrong = perfect.copy()
    wrong[:, 20:] = np.eye(6)[(truth[:, 20:] + 1) % 6]
    assert task.score({"forecast.words": wrong}, 0).values == {
        "accuracy": 0, "accuracy_trained": 1, "accuracy_end": 0, "solved_length": 20,
    }  # fmt: skip
    constant = task.score({"forecast.words": np.zeros_like(perfect)}, 0).values["accuracy"]
    assert constant == pytest.approx(task.baseline(0), abs=0.2)
    assert solved_length(np.array([1.0, 0.95, np.nan, 1.0])) == 2


def test_a_wrong_group_or_length_is_refused() -> None:
    with pytest.raises(UserError, match="group"):
        StateTracking(group="a6")
    with pytest.raises(UserError, match="twice the 12 letters"):
        StateTracking(length=20)
    assert set(GROUPS) == {"c2", "v4", "c6", "s3", "a5"}
