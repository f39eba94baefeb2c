"""Experiments of sensing and deep linear networks at small scale, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.runners.claims.sensing.experiments_completion import InexactCost
from dynamark.runners.claims.sensing.experiments_deep_linear import DepthIndependence, ModeCurves, Overtraining
from dynamark.runners.claims.sensing.experiments_recovery import EqualFactors, Incremental, Plateau, SurplusConstant
from dynamark.runners.claims.sensing.limits import STATISTICAL
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.oracles import statistical_dimension
from dynamark.tasks.sensing.truth import degrees_of_freedom


def test_the_constant_of_surplus_rank() -> None:
    values = SurplusConstant(fit_rank=4, steps=4000, refined_steps=3000, refined_from=500).measure(Run([0])).values
    assert values["ratio"] == pytest.approx(1, abs=0.05)
    assert values["refined_ratio"] == pytest.approx(1, abs=0.01)


def test_another_surplus_has_another_constant() -> None:
    """The ratio is one because of min(k, n) - r: with a wrong surplus it would be off by the quotient of both."""
    squared = []
    for k in (3, 5):
        run = SurplusConstant(fit_rank=k, steps=4000, refined_steps=3000, refined_from=500).measure(Run([1]))
        squared.append(run.values["ratio"] * (k - 2))
    assert squared[1] / squared[0] == pytest.approx(3, rel=0.05)


def test_equal_factors_stay_equal() -> None:
    values = EqualFactors(steps=40, measurements=300).measure(Run([0])).values
    assert values["difference"] < 1e-12
    assert values["imbalance"] < 1e-12


def test_smaller_starts_come_closer_to_each_stage() -> None:
    values = Incremental(fit_rank=3, steps=500, scales=(1e-1, 1e-4)).measure(Run([0])).values
    assert values["delta_1_1"] < 0.5 * values["delta_1_0"]
    assert values["ordered"] == 1


def test_the_plateau_has_the_exponent_of_its_step_size() -> None:
    values = Plateau(scales=(1e-4, 1e-7), step=0.2).measure(Run([0])).values
    assert values["off"] == pytest.approx(0, abs=0.03)
    assert values["flow"] == pytest.approx(2 * 0.45 / 1.55)
    small = Plateau(scales=(1e-2, 1e-3), step=1e-3, duration=0.1).measure(Run([0])).values
    assert small["predicted"] == pytest.approx(small["flow"], rel=1e-3)


def test_modes_follow_their_sigmoid_better_with_smaller_steps() -> None:
    coarse, fine = (
        ModeCurves(step=h, steps=int(8 / h), values=(4.0, 1.0), n=6).measure(Run([0])).values for h in (1e-2, 2.5e-3)
    )
    assert fine["deviation"] == pytest.approx(coarse["deviation"] / 4, rel=0.2)
    assert fine["half_time_error"] < 0.02


def test_orthogonal_starts_bear_depth_and_gaussian_ones_do_not() -> None:
    deep = [
        DepthIndependence(depth=12, n=8, limit=300, start=start).measure(Run([0])).values
        for start in ("orthogonal", "gaussian")
    ]
    assert deep[0]["reached"] == 1
    assert deep[1]["reached"] == 0


@pytest.mark.parametrize("samples", [30, 90])
def test_the_flow_ends_in_least_squares_from_the_start(samples: int) -> None:
    experiment = Overtraining(samples=samples, inputs=60, start_scale=1.5)
    measured = experiment.measure(Run([3])).values
    rng = Run([3]).numpy
    x = rng.standard_normal((samples, 60)) / np.sqrt(60)
    w, start = rng.standard_normal(60), 1.5 * rng.standard_normal(60)
    y = x @ w + rng.standard_normal(samples) / np.sqrt(5.0)
    end = start + np.linalg.lstsq(x, y - x @ start, rcond=None)[0]
    assert measured["final"] == pytest.approx(np.mean((end - w) ** 2), rel=1e-8)
    assert measured["early"] <= measured["final"]


@pytest.mark.parametrize(("samples", "start"), [(20, 0.0), (20, 2.0), (100, 2.0)])
def test_the_mean_final_risk_is_that_of_an_inverse_wishart(samples: int, start: float) -> None:
    experiment = Overtraining(samples=samples, inputs=40, start_scale=start)
    relative = [experiment.measure(Run([seed])).values["relative"] for seed in range(60)]
    assert np.mean(relative) == pytest.approx(1, abs=4 * np.std(relative) / 60**0.5)


def test_the_claims_know_the_statistical_dimension() -> None:
    computed = statistical_dimension(24, 2) / degrees_of_freedom(24, 24, 2, False)
    assert pytest.approx(computed, abs=1e-3) == STATISTICAL


def test_inexact_alternation_takes_as_many_outer_steps_as_exact() -> None:
    values = InexactCost(rank=3, n=120, oversampling=6.0).measure(Run([0])).values
    assert values["work"] == (6 * 3 * 237) * 3
    assert abs(values["outer_exact"] - values["outer_inexact"]) <= 2
    assert values["outer_inexact"] < 60
    assert values["seconds"] > 0
