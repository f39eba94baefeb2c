"""Experiments on linear systems: their quantities against formulas that they do not use."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dynamark.runners.claims.lds.experiments_filters import (
    ChebyshevGrowth,
    FilterBounds,
    HankelIdentity,
    LegSKernel,
    NormalLegS,
    PerturbedLegS,
    PopulationError,
    WindowLeak,
)
from dynamark.runners.claims.lds.experiments_learning import ModeFlow, StochasticApproximation, VariationalBound
from dynamark.runners.claims.lds.experiments_memory import DelayMemory
from dynamark.tasks.problems import Run


def test_the_population_error_is_what_white_inputs_give() -> None:
    """Monte Carlo: regress G * u on filtered inputs of many sequences, and compare."""
    from dynamark.tasks.lds.systems import Shape, draw
    from dynamark.tasks.numerics.convolution import causal_convolution, filtered
    from dynamark.tasks.numerics.spectral_filters import spectral_filters

    expected = PopulationError(order=8, length=32, filters=(3,)).measure(Run((1,))).values["error_3"]
    import torch

    g = torch.from_numpy(draw("sym_pos", Shape(8, 32, 1, 1), Run((1,)).numpy).markov(32))
    u = torch.from_numpy(np.random.default_rng(0).standard_normal((4000, 32, 1)))
    bank = torch.cat([torch.eye(32, 3, dtype=torch.float64), spectral_filters(32, 3)[1]], dim=1)
    features, y = filtered(u, bank).flatten(0, 1).flatten(1), causal_convolution(u, g).reshape(-1, 1)
    weights = torch.linalg.lstsq(features, y, driver="gelsd").solution
    assert float((features @ weights - y).square().mean() / y.square().mean()) == pytest.approx(expected, rel=0.05)


def test_more_filters_leave_less() -> None:
    values = PopulationError(order=16, length=128, filters=(2, 6, 12)).measure(Run((0,))).values
    assert values["error_2"] > values["error_6"] > values["error_12"]
    assert values["slope"] < -0.5
    wedge = PopulationError("asym", 0.3, 16, 128, (40,), "wedge").measure(Run((0,))).values["error_40"]
    both = PopulationError("sym", math.pi, 16, 128, (12,), "spectral_both").measure(Run((0,))).values["error_12"]
    assert max(wedge, both) < 1e-6


def test_identities_and_bounds() -> None:
    assert HankelIdentity(128).measure(Run()).values["difference"] < 1e-14
    bounds = FilterBounds(128, 20).measure(Run()).values
    assert 0.1 < bounds["reach"] <= 1
    assert bounds["decay"] <= 1
    growth = ChebyshevGrowth(6).measure(Run()).values
    assert growth["line"] == pytest.approx(growth["by_coefficients"])
    # T_6 at angle 0.05 on the unit circle, by cos(6 arccos x) of a complex argument.
    assert growth["wide"] == pytest.approx(abs(np.cos(6 * np.arccos(np.exp(0.05j)))))
    assert LegSKernel(8).measure(Run()).values["difference"] < 1e-12


def test_window_leaks_halve() -> None:
    for basis in ("fout", "legt"):
        small, large = (WindowLeak(basis, n).measure(Run()).values["leak_0"] for n in (32, 64))
        assert 0.4 < large / small < 0.6


def test_normal_and_perturbed_legs() -> None:
    small, large = (NormalLegS(n).measure(Run()).values for n in (16, 32))
    assert large["low"] < 0.6 * small["low"]
    assert large["peak"] > 1.9 * small["peak"]
    little, much = (PerturbedLegS(16, e).measure(Run()).values for e in (1e-3, 1e-1))
    assert max(little["transfer"], much["transfer"]) <= 1
    assert much["condition"] < 0.1 * little["condition"]


def test_the_euler_error_of_the_mode_is_of_first_order() -> None:
    coarse, fine = (ModeFlow(step=h).measure(Run()).values["difference"] for h in (1e-2, 5e-3))
    assert coarse / fine == pytest.approx(2, rel=0.05)


def test_the_tail_index_of_stochastic_approximation() -> None:
    # E(1 - aA)^2 = (1-a)^2 + a^2 = 1 at a = 1: there the variance ceases to exist.
    assert StochasticApproximation(1.0)._kappa() == pytest.approx(2, rel=1e-6)
    values = StochasticApproximation(0.4, chains=20_000, steps=100, top=200).measure(Run()).values
    assert values["variance"] == pytest.approx(1, abs=0.06)


def test_evidence_bounds_meet_only_at_the_smoother() -> None:
    values = VariationalBound().measure(Run((3,))).values
    assert abs(values["gap_smoother"]) < 1e-10
    assert min(values["gap_mean_field"], values["gap_moved"]) > 1e-3


def test_more_states_remember_more() -> None:
    errors = [DelayMemory("legt", 4, states=n, lag=40, length=240).measure(Run()).values["nmse"] for n in (4, 12, 24)]
    assert errors[0] > 0.1
    assert errors[2] < 1e-6 < errors[1]
