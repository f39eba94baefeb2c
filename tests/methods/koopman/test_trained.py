"""The other trained methods: their losses by hand, cohorts, and that they learn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from koopman_problems import linear_paths, posed

from dynamark.methods.koopman.consistent import ConsistentAutoencoder, JointScaling, inconsistency
from dynamark.methods.koopman.dpnets import LearnedFeatures
from dynamark.methods.koopman.lran import LRAN
from dynamark.methods.koopman.network_forecasters import GatedStep, GRUForecaster, MLPForecaster
from dynamark.tasks.problems import Run, Trajectories

TURN = torch.tensor([[0.9, 0.3], [-0.3, 0.9]], dtype=torch.float64)

METHODS = [
    LRAN(hidden=(12,), window=4, steps=150, batch=16, rate=1e-2),
    ConsistentAutoencoder(latent=4, hidden=(12,), window=3, steps=300, batch=16, rate=3e-2, clip=1.0),
    MLPForecaster(hidden=(12,), window=3, steps=100, batch=16, rate=1e-2),
    GRUForecaster(units=8, window=3, steps=150, batch=16, rate=2e-2),
    LearnedFeatures(features=4, hidden=(12,), steps=150, batch=128, rate=1e-2),
]
Method = LRAN | ConsistentAutoencoder | MLPForecaster | GRUForecaster | LearnedFeatures


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_members_are_independent(method: Method) -> None:
    problem, brief = posed(linear_paths(TURN, 60, 12)), dataclasses.replace(method, steps=4)
    alone = brief.fit_forecasters([problem] * 2, [Run((3,)), Run((3,))])[0]
    beside = brief.fit_forecasters([problem] * 3, [Run((1,)), Run((3,)), Run((2,))])
    start = Trajectories(linear_paths(TURN, 20, 1, seed=1)[:, :1])
    assert torch.equal(alone.forecast(start, 5), beside[1].forecast(start, 5))
    assert not torch.equal(alone.forecast(start, 5), beside[0].forecast(start, 5))
    assert alone.parameter_count() > 20


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_training_beats_persistence_by_far(method: Method) -> None:
    """Errors of twelve seeds in units of persistence's: medians of .12 to .22, the largest .33."""
    problem, runs = posed(linear_paths(TURN, 60, 12)), [Run((seed,)) for seed in range(5)]
    unseen = linear_paths(TURN, 20, 5, seed=1)
    start, truth = Trajectories(unseen[:, :1]), unseen[:, 1:]
    still = (unseen[:, :1] - truth).square().mean().sqrt()
    gaps = [model.forecast(start, 5) - truth for model in method.fit_forecasters([problem] * 5, runs)]
    assert np.median([float(gap.square().mean().sqrt() / still) for gap in gaps]) < 0.5


def test_the_loss_of_the_linearly_recurrent_network() -> None:
    method = LRAN(decay=0.5, beta=2.0, epsilon=0.1)
    window = torch.tensor([[[1.0], [2.0], [3.0]]], dtype=torch.float64)
    first, predicted = window[:, :1] + 0.1, window[:, 1:] - 0.2
    latent = torch.tensor([[[1.0], [0.5], [0.0]]], dtype=torch.float64)
    moved = latent[:, 1:] + 0.3
    seen = (0.01 / 1.1 + 0.5 * 0.04 / 4.1 + 0.25 * 0.04 / 9.1) / 1.75
    hidden = (0.09 / 0.35 + 0.5 * 0.09 / 0.1) / 1.5
    loss = method._loss(lambda *_: (first, predicted, moved, latent), window)
    assert float(loss) == pytest.approx((seen + 2 * hidden) / 3, rel=1e-12)


def test_one_affine_map_takes_all_coordinates_onto_the_unit_interval() -> None:
    shown = Trajectories(torch.tensor([[[0.0, 1.0], [2.0, 5.0], [3.0, -3.0]]], dtype=torch.float64))
    scale = JointScaling(shown)
    assert scale(shown.observations).tolist() == [[[-0.25, 0.0], [0.25, 1.0], [0.5, -1.0]]]
    torch.testing.assert_close(scale.back(scale(shown.observations)), shown.observations)
    constant = JointScaling(Trajectories(torch.full((1, 3, 2), 7.0, dtype=torch.float64)))
    assert constant(torch.full((2,), 8.0, dtype=torch.float64)).tolist() == [1.0, 1.0]


def test_a_matrix_and_its_inverse_are_consistent_where_they_are_triangular_or_whole() -> None:
    """The last block alone is |DC - I|^2: zero for an inverse; leading rows times leading columns then are identities too."""
    c = torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert inconsistency(c, torch.linalg.inv(c)) < 1e-20
    assert inconsistency(c, torch.linalg.inv(c) + 0.1) > 0.01
    d = torch.tensor([[2.0]], dtype=torch.float64)
    assert float(inconsistency(d, d)) == pytest.approx(9.0)


def test_the_gated_unit_is_torch_s() -> None:
    unit = GatedStep(2, 5).double()
    cell = torch.nn.GRUCell(2, 5).double()
    with torch.no_grad():
        cell.weight_ih.copy_(unit.read.weight)
        cell.weight_hh.copy_(unit.recur.weight)
        cell.bias_ih.copy_(unit.read.bias)
        cell.bias_hh.copy_(unit.recur.bias)
    x, h = torch.randn(7, 2, dtype=torch.float64), torch.randn(7, 5, dtype=torch.float64)
    np.testing.assert_allclose(unit._next(x, h).detach(), cell(x, h).detach(), atol=1e-14)


def test_the_gated_forecaster_reads_its_context() -> None:
    unit = GatedStep(2, 5).double()
    long = torch.randn(3, 6, 2, dtype=torch.float64)
    other = long.clone()
    other[:, 0] += 1
    assert not torch.equal(unit(long, 2), unit(other, 2))
    # teacher forcing: what is predicted from the whole context continues what is predicted from a shorter one
    h = torch.zeros(3, 5, dtype=torch.float64)
    for x in long.unbind(1):
        h = unit._next(x, h)
    np.testing.assert_allclose(unit(long, 1)[:, 0].detach(), (long[:, -1] + unit.change(h)).detach(), atol=1e-14)
