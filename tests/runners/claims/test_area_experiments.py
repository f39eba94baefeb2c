"""Iterated sums against their definition, states against their recurrence, and broken twins of L31."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from measured_claims import measured

from dynamark.methods.sequence.controlled import Maps
from dynamark.runners.claims.lds import experiments_areas
from dynamark.runners.claims.lds.experiments_areas import STRUCTURED, LevyArea, ends, iterated_sum
from dynamark.tasks.problems import Run


@pytest.mark.parametrize("word", [(1,), (1, 2), (2, 1), (1, 1, 2), (1, 2, 1)])
def test_sums_are_over_increasing_times(word: tuple[int, ...]) -> None:
    steps = np.random.default_rng(0).standard_normal((2, 7, 3))
    for path, actual in zip(steps, iterated_sum(steps, word), strict=True):
        times = itertools.combinations(range(7), len(word))
        expected = sum(np.prod([path[t, i] for t, i in zip(chosen, word, strict=True)]) for chosen in times)
        assert actual == pytest.approx(expected, rel=1e-12)


def test_the_levy_area_has_its_variance() -> None:
    """1/4 on [0, 1], and sums of left points of Brownian paths are uncorrelated."""
    steps = np.random.default_rng(0).standard_normal((20_000, 64, 3)) / 8
    first, second = iterated_sum(steps, (1, 2)), iterated_sum(steps, (2, 1))
    assert np.var((first - second) / 2) == pytest.approx(0.25, rel=0.05)
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("name", STRUCTURED)
@pytest.mark.parametrize("forced", [False, True])
def test_states_are_their_recurrence(name: str, forced: bool) -> None:
    kind, block = STRUCTURED[name]
    draw = torch.Generator().manual_seed(0)
    maps = Maps(kind, 3, 8, draw, 1.0, block=block).double()
    steps = torch.randn(4, 5, 3, generator=draw, dtype=torch.float64) / 4
    start = torch.randn(4, 8, generator=draw, dtype=torch.float64)
    force = torch.randn(3, 8, generator=draw, dtype=torch.float64) if forced else None
    h = start.clone()
    for t in range(5):
        matrices = torch.einsum("pc,cij->pij", steps[:, t], maps.dense())
        h = h + (matrices @ h[..., None])[..., 0] + (0 if force is None else steps[:, t] @ force)
    torch.testing.assert_close(ends(maps, steps, start, force), h)


def test_l31_fails_with_maps_that_commute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken twin: every structure is diagonal, and none represents the area."""
    small = {"states": 32, "train": 400, "test": 200}
    right = LevyArea(**small).measure(Run((0,))).values
    assert right["area_dense"] < 0.3 < 0.9 < right["area_diag"]
    monkeypatch.setattr(experiments_areas, "STRUCTURED", dict.fromkeys(STRUCTURED, ("diag", 1)))
    evaluation = measured("L31", **small)
    assert evaluation.verdict == "not reproduced"
    assert evaluation.results[4].verdict == "not reproduced"


def test_l31_fails_with_targets_that_do_not_depend_on_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken twin: the sum S(1,2) + S(2,1) instead of the area, which diagonal maps represent."""
    right = iterated_sum
    monkeypatch.setattr(
        experiments_areas,
        "iterated_sum",
        lambda steps, word: -right(steps, word) if word == (2, 1) else right(steps, word),
    )
    assert LevyArea(states=32, train=400, test=200).measure(Run((0,))).values["area_diag"] < 0.5
