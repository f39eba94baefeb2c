"""The measurements behind the claims, at small size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynamark.runners.claims.chaos.experiments_forcing import (
    ClippedBound,
    FixedPoints,
    ForcedProducts,
    IntegratorOfTheData,
    SparseSupport,
    log_product_norms,
)
from dynamark.runners.claims.chaos.experiments_symbols import SymbolicGraph, _Code, followers
from dynamark.tasks.problems import Run


def test_log_norms_of_products_are_those_of_the_products() -> None:
    factors = torch.randn(3, 6, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for own, actual in zip(factors, log_product_norms(factors), strict=True):
        product = torch.linalg.multi_dot(list(own.flip(0)))
        assert float(actual) == pytest.approx(float(torch.linalg.matrix_norm(product, ord=2).log()))


def test_log_norms_do_not_underflow() -> None:
    tiny = (1e-3 * torch.eye(2, dtype=torch.float64)).expand(1, 500, 2, 2)
    assert float(log_product_norms(tiny)) == pytest.approx(500 * np.log(1e-3))


def test_forcing_bounds_products_and_the_linear_map_is_sharp() -> None:
    experiment = ForcedProducts(hidden=5, updates=3, train=1000, steps=1100, starts=2)
    values = experiment.measure(Run()).values
    assert values["log_bounded_product"] <= 1e-6
    assert abs(values["log_linear_product"]) < 1e-9
    assert values["log_linear_product_below"] == pytest.approx(1100 * np.log(1.3 * (1 - 0.95 * (1 - 1 / 1.3))))


def test_clipped_orbits_end_in_their_box() -> None:
    assert 0 < ClippedBound(models=3, steps=2000).measure(Run()).values["largest_ratio"] <= 1


def test_fixed_points_are_fixed() -> None:
    values = FixedPoints(units=8, rectified=3, window=20, updates=3, train=1000).measure(Run()).values
    assert values["regions"] == 8
    assert values["largest_residual"] < 1e-10
    assert values["largest_real_residual"] < 1e-10


def test_sparse_regression_finds_lorenz_and_noise_spoils_it() -> None:
    clean, noisy = (SparseSupport(samples=1500, noise=s, windows=5).measure(Run()).values for s in (0.0, 0.2))
    assert clean["wrong_terms"] == 0
    assert noisy["valid_time"] < clean["valid_time"]


def test_the_integrator_of_the_data_is_remembered_by_the_model() -> None:
    rough, exact = (IntegratorOfTheData(solver=s, windows=4).measure(Run()).values for s in ("RK23", "DOP853"))
    assert rough["valid_time"] > exact["valid_time"]


def test_what_follows_what_is_counted_from_each_region() -> None:
    actual = followers(np.array([1, 1, 1, 2, 1, 2, 2, 3]))
    assert actual == {(1, 1): 0.5, (1, 2): 0.5, (2, 1): 1 / 3, (2, 2): 1 / 3, (2, 3): 1 / 3}


def test_wings_are_the_regions_that_never_follow_each_other() -> None:
    """Region 7 is always between 4 and 2, whose places are -1 and 1; a direct change takes the wings away."""
    walk = np.tile([4, 4, 4, 7, 2, 2, 7], 40)
    place = {4: -1.0, 7: 0.1, 2: 1.0}
    code = object.__new__(_Code)
    code.symbols, code.shares = walk, {4: 3 / 7, 2: 2 / 7, 7: 2 / 7}
    code.states = torch.tensor([[place[int(c)], 0.0] for c in walk])
    assert code.wings() == pytest.approx((-1.0, 1.0, 0.1))
    code.symbols = np.append(walk, [2, 4])
    code.states = torch.cat([code.states, torch.tensor([[1.0, 0.0], [-1.0, 0.0]])])
    assert code.wings() is None


def test_the_graph_of_a_network_is_one_of_its_regions() -> None:
    small = SymbolicGraph(updates=40, train=1500, window=30, members=2, steps=1000)
    scored = small.measure(Run([1]))
    curves = {curve.name: curve for curve in scored.curves}
    shares = curves["region_occupation"]
    assert scored.values["regions"] == len(shares.axis)
    assert sum(shares.values) == pytest.approx(1)
    assert {f"region_{int(c)}" for c in shares.axis} == {name for name in curves if name.startswith("region_")} - {
        "region_occupation"
    }
    graph = curves["symbolic_graph"]
    for region in shares.axis:
        assert graph.values[graph.axis // 4 == region].sum() == pytest.approx(1)
