"""Optimizers through projections, signs and random directions (C31, C32, C33, C35, C49), and broken versions of them."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.runners.claims.sensing.experiments_optimizers import LionBox, LowRankEvolution, box_minimum, lion
from dynamark.runners.claims.sensing.experiments_projections import (
    ProjectedDescent,
    RandomProjections,
    ResampledProjections,
    flora,
)
from dynamark.tasks.problems import Run

RNG = np.random.default_rng


def test_c49_a_random_projection_is_unbiased_at_one_scale_only() -> None:
    values = RandomProjections(draws=20_000, batch=4000).measure(Run([0])).values
    assert [values[name] for name in ("shrinkage", "variance", "transfer")] == pytest.approx([1, 1, 1], abs=0.02)
    assert values["wrong_shrinkage"] == pytest.approx(0.2, abs=0.004)
    # Another shape has another constant: (m + 1)/r is not a fit to one shape.
    other = RandomProjections(3, 9, 2, draws=20_000).measure(Run([0])).values
    assert [other["variance"], other["transfer"]] == pytest.approx([1, 1], abs=0.05)


def test_c31_only_new_projections_reach_the_target() -> None:
    values = ResampledProjections(n=12, rank=3, steps=1500, rate=0.05).measure(Run([0])).values
    assert values["flora"] < 1e-4
    assert values["frozen"] > 0.5
    assert values["lora_over_tail"] == pytest.approx(1, abs=0.01)
    # Broken: new projections at every step amplify the momentum by m/r each time.
    target = RNG(0).standard_normal((16, 16))
    often = flora(target, 2, 1, 200, 0.1, 0.9, RNG(1))
    assert not np.sum((often - target) ** 2) < 1e-4 * np.sum(target**2)


@pytest.mark.parametrize(("rank", "columns", "condition"), [(1, 4, 1.0), (3, 1, 5.0)])
def test_c32_descent_is_monotone_up_to_two_over_l(rank: int, columns: int, condition: float) -> None:
    values = ProjectedDescent(10, columns, rank, condition, steps=200).measure(Run([0])).values
    assert values["rise_low"] <= 0
    assert values["excess"] < 1e-12
    if rank == 1:
        assert values["rise_high"] > 1e-9
        # Broken: the step is too long for the bound.
        broken = ProjectedDescent(10, columns, rank, condition, factors=(2.1, 2.1), steps=200)
        assert broken.measure(Run([0])).values["rise_low"] > 0


def test_c33_the_bias_of_low_rank_perturbations_is_six_over_r() -> None:
    values = LowRankEvolution(ranks=(1, 2, 4), samples=60_000).measure(Run([0])).values
    assert max(abs(values[f"off_{r}"]) for r in (1, 2, 4)) < 4
    assert abs(values["off_full"]) < 4
    assert -1.4 < values["exponent"] < -0.7
    assert min(abs(values[f"wrong_{r}"]) for r in (2, 4)) > 10


def test_c35_lion_stays_within_its_bound_and_coupled_decay_does_not() -> None:
    values = LionBox(steps=6000).measure(Run([0])).values
    assert values["excess"] < 1e-12
    assert values["gap"] < 1e-3
    assert values["coupled"] > 0.1
    # At a fixed rate every coordinate outside approaches the box by the factor 1 - eta lambda, or faster.
    path = lion(np.eye(2), np.array([9.0, 0.0]), np.array([5.0, -4.0]), 1.0, np.full(200, 0.01))
    outside = np.abs(path).max(axis=1) - 1
    assert outside[100] == pytest.approx(4 * 0.99**100)


def test_the_minimum_over_a_box_satisfies_its_conditions() -> None:
    rng = RNG(1)
    root, center = rng.standard_normal((10, 5)), 2 * rng.standard_normal(5)
    x = box_minimum(root.T @ root, center, 1.0)
    slope = root.T @ root @ (x - center)
    assert np.abs(slope[np.abs(x) < 1]).max(initial=0) < 1e-10
    assert (slope * np.sign(x))[np.abs(x) == 1].max(initial=-1) <= 0
