"""The maps of the torus: closed forms, exact quadrature, and eigenfunctions with and without residual."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.errors import UserError
from dynamark.tasks.koopman.maps import TorusMap
from dynamark.tasks.koopman.torus import GOLDEN

SECOND = np.sqrt(2) - 1


def tiny(**fields: object) -> TorusMap:
    task = TorusMap.at("tiny", name="koopman/torus", **fields)
    assert isinstance(task, TorusMap)
    return task


def turns(states: np.ndarray) -> np.ndarray:
    """x and y from what is seen."""
    return np.stack([np.arctan2(states[..., 2 * i + 1], states[..., 2 * i]) for i in range(2)], axis=-1) / (2 * np.pi)


@pytest.mark.parametrize("skew", [False, True])
def test_paths_have_the_closed_form(skew: bool) -> None:
    task = tiny(skew=skew)
    paths = task.data(0)["test"]
    (x, y), n = turns(paths[:, 0]).T[..., None], np.arange(paths.shape[1])
    ahead = y + n * x + GOLDEN * n * (n - 1) / 2 if skew else y + n * SECOND
    gap = turns(paths) - np.stack([x + n * GOLDEN, ahead], axis=-1)
    assert np.abs(gap - np.round(gap)).max() < 1e-11
    assert np.allclose(np.square(paths).reshape(*paths.shape[:2], 2, 2).sum(axis=-1), 1, atol=1e-12)


def test_the_mean_over_training_states_integrates_characters_exactly() -> None:
    x, y = (turns(tiny().data(0)["train"][:, 0])).T
    for j, k in ((1, 0), (7, -7), (15, 3)):
        assert abs(np.exp(2j * np.pi * (j * x + k * y)).mean()) < 1e-12
    assert np.exp(2j * np.pi * 16 * x).mean() == pytest.approx(1)


def pool(task: TorusMap) -> np.ndarray:
    """The states at which eigenfunctions are asked."""
    query = task.problem(0).query
    assert query is not None
    assert query.points is not None
    return query.points[:, 0].numpy()


def answer(task: TorusMap, functions: np.ndarray, values: np.ndarray) -> dict[str, float]:
    """The scores of these eigenpairs, beside the true forecast."""
    truth = task.data(0)["test"][:, 1:]
    solution = {"forecast.test": truth, "eigenvalues": values, "eigenfunctions": functions}
    return dict(task.score(solution, 0).values)


@pytest.mark.parametrize("skew", [False, True])
def test_true_characters_have_no_residual_and_the_whole_leading_spectrum(skew: bool) -> None:
    task = tiny(skew=skew)
    actual = answer(task, task.eigenfunctions(pool(task)), task.spectrum[1])
    for name in ("spec_err", "spec_miss", "eigfun_err", "residual_max"):
        assert actual[name] < 1e-12, name
    assert actual["rho"] == pytest.approx(1)


def test_a_character_of_y_is_an_eigenfunction_of_the_rotation_and_of_the_skew_product_not() -> None:
    residual = {}
    for skew in (False, True):
        task = tiny(skew=skew)
        states = pool(task)
        character = (states[:, 2] + 1j * states[:, 3])[:, None]
        residual[skew] = answer(task, character, np.exp([2j * np.pi * SECOND]))["residual_max"]
    assert residual[False] < 1e-12
    # |e^{2 pi i x} - lambda| on average over x
    assert residual[True] == pytest.approx(np.sqrt(2), rel=0.2)


def test_training_states_that_are_no_square_grid_are_refused() -> None:
    with pytest.raises(UserError, match="not a square number"):
        tiny(train=1000)
