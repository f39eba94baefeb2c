"""D23, small: the constrained least squares against a solver column by column, and broken twins of the claim."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.runners.claims.sensing import experiments_items as items
from dynamark.runners.claims.sensing.experiments_items import ItemModels, ease, recall
from dynamark.tasks.problems import Run


def test_d23_each_column_is_a_ridge_regression_on_the_other_items() -> None:
    x = (np.random.default_rng(0).uniform(size=(40, 6)) < 0.4).astype(float)
    weights = ease(x.T @ x, 3.0)
    for j in range(6):
        others = np.delete(x, j, axis=1)
        expected = np.linalg.solve(others.T @ others + 3.0 * np.eye(5), others.T @ x[:, j])
        assert np.delete(weights[:, j], j) == pytest.approx(expected)
        assert weights[j, j] == 0


def test_recall_counts_unseen_items_only() -> None:
    seen, hidden = np.zeros((2, 2, 40), dtype=bool)
    seen[:, :5] = True
    hidden[0, 5:15], hidden[1, 30] = True, True
    scores = -np.tile(np.arange(40.0), (2, 1))
    assert recall(scores, seen, hidden) == pytest.approx(0.5)
    assert recall(-scores, seen, hidden) == pytest.approx(0.5)


def test_d23_rows_for_columns_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken twin: row j divided by P_jj instead of column j."""
    assert ItemModels(users=200, items=30).measure(Run([0])).values["kkt"] < 1e-9
    right = items.ease
    monkeypatch.setattr(items, "ease", lambda gram, penalty: right(gram, penalty).T)
    assert ItemModels(users=200, items=30).measure(Run([0])).values["kkt"] > 1e-3
