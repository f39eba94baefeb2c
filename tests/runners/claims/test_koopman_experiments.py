"""Each experiment at a small size: its numbers are those that mathematics asks for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.polynomial import chebyshev

from dynamark.runners.claims.koopman.experiments_course import PERIODS, CourseCorrection
from dynamark.runners.claims.koopman.experiments_features import (
    LogisticFeatures,
    captured,
    population_spectrum,
    singular_functions,
    spectral_error,
)
from dynamark.runners.claims.koopman.experiments_fields import SpatialConvergence
from dynamark.runners.claims.koopman.experiments_modes import (
    NearRational,
    NoisyExponentials,
    RankRegressions,
    ThreeTones,
)
from dynamark.runners.claims.koopman.experiments_residuals import DuffingResiduals, verified_set
from dynamark.runners.claims.koopman.experiments_spectra import (
    MonomialVerification,
    OUResiduals,
    OUSampling,
    SpuriousPairs,
    TorusSpectrum,
)
from dynamark.tasks.koopman.processes import logistic_modes
from dynamark.tasks.problems import Run


def test_the_pairs_in_the_span_are_verified() -> None:
    scores = MonomialVerification(degree=3, pairs=2000).measure(Run()).values
    assert scores["verified"] == 6
    assert scores["excess"] == 0
    assert scores["verified_error"] < 1e-10


@pytest.mark.parametrize(("system", "verified"), [("rotation", 25), ("anzai", 5)])
def test_characters_of_the_torus(system: str, verified: int) -> None:
    scores = TorusSpectrum(system, order=2, grid=16).measure(Run()).values  # type: ignore[arg-type]
    assert scores["verified"] == verified
    assert scores["unitary_error"] < 1e-12


def test_noise_in_residuals_and_matrices_of_the_process() -> None:
    assert OUResiduals(samples=50_000).measure(Run()).values["two_successors"] < 0.1
    errors = [OUSampling(samples=count, draws=10).measure(Run()).values["error"] for count in (100, 10_000)]
    assert 4 < errors[0] / errors[1] < 25


def test_spurious_pairs_are_flagged() -> None:
    scores = SpuriousPairs(draws=40, held=200).measure(Run()).values
    assert scores["flagged"] > 0.8
    assert scores["true_residual"] < 1e-8


def test_modes_of_signals() -> None:
    assert ThreeTones(delays=6, samples=300).measure(Run()).values["error"] < 1e-10
    assert ThreeTones(delays=4, samples=300).measure(Run()).values["error"] > 1e-2
    assert NoisyExponentials(channels=40).measure(Run()).values["ratio"] < 0.2
    assert NearRational(steps=500).measure(Run()).values["least"] > 0.309


def test_space_is_resolved_better_where_fields_are_smooth() -> None:
    smooth, spiral = (
        SpatialConvergence(start, reference=96, time=1.0).measure(Run()).values for start in ("smooth", "spiral")
    )
    assert smooth["error"] < 0.2 * spiral["error"]


def test_periods_are_compared_on_the_same_models() -> None:
    scores = CourseCorrection("lotka_volterra", members=2, steps=2).measure(Run())
    by_period = {k: scores.values[f"nrmse_{k}"] for k in PERIODS}
    assert scores.values["best_period"] == min(by_period, key=lambda k: by_period[k])
    assert scores.values["wins"] in (0, 0.5, 1)
    assert len(set(by_period.values())) == len(PERIODS)


def test_rank_regressions_find_the_slow_rate() -> None:
    scores = RankRegressions(samples=300).measure(Run((1,))).values
    assert scores["difference"] == pytest.approx(scores["rrr"] - scores["pcr"])
    assert 0 < scores["rrr"] < 0.7


def test_the_population_spectrum_of_polynomials_is_the_one_published() -> None:
    """.312, .196, .202, .026 for three, five, seven and ten Chebyshev polynomials; the exact features have all of it."""
    published = {3: 0.312, 5: 0.196, 7: 0.202, 10: 0.026}
    for d, error in published.items():
        actual = spectral_error(lambda x, d=d: chebyshev.chebvander(2 * x - 1, d - 1))  # type: ignore[misc]
        assert actual == pytest.approx(error, abs=6e-4)
    values = population_spectrum(lambda x: np.exp(-8j * np.pi * np.outer(x * (1 - x), np.arange(-10, 11))))
    truth = logistic_modes()[0]
    assert np.abs(values[:, None] - truth[:6]).min(axis=0).max() < 1e-10


def test_learnt_features_are_compared_to_as_many_polynomials() -> None:
    scores = LogisticFeatures(features=3, samples=500, steps=2).measure(Run()).values
    assert scores["chebyshev"] == pytest.approx(0.3123, abs=1e-3)
    assert 0.3 < scores["best"] < 0.4
    assert 0 < scores["captured"] < 1
    assert scores["difference"] == pytest.approx(scores["error"] - scores["chebyshev"])


def test_the_leading_singular_functions_capture_themselves() -> None:
    assert captured(singular_functions(5), 5) == pytest.approx(1)
    assert captured(singular_functions(3), 5) == pytest.approx(0.6)


def test_verified_points_are_the_least_around_each() -> None:
    grid = np.array([0, 0.1, 0.2, 1.0], dtype=complex)
    distance = np.array([0.05, 0.01, 0.04, 2.0])
    assert verified_set(grid, distance).tolist() == [1]
    assert verified_set(grid, np.array([0.01, 0.3, 0.3, 0.001])).tolist() == [0, 3]


def test_residuals_of_duffing_are_large_where_the_dictionary_is_small() -> None:
    scores = DuffingResiduals(size=10, trajectories=200).measure(Run()).values
    assert scores["residual_max"] > 0.3
    assert scores["verified"] >= 1
    assert 0 < scores["circle"] <= 2
