"""CondLR: the bound of the condition, its flow, and broken forms of it."""

from __future__ import annotations

import pytest
import torch
from lowrank_support import errors, toy
from sensing_support import normals
from torch import Tensor

from dynamark.methods.lowrank.backpropagation import batches, gradients
from dynamark.methods.lowrank.conditioned import BoundedCondition, ConditionedLayer, clamped, oriented
from dynamark.tasks.problems import Run


def layer(bound: float) -> ConditionedLayer:
    u, v = (oriented(normals(2, n, 3, seed=n)) for n in (7, 6))
    values = torch.tensor([[1.4, 1.0, 0.7]], dtype=u.dtype).diag_embed()
    turn, other = (oriented(normals(2, 3, 3, seed=s)) for s in (5, 6))
    return ConditionedLayer(u, turn @ values @ other.mT, v, bound)


@pytest.mark.parametrize("bound", [1.0, 1.1, 3.0])
def test_clamping_bounds_the_condition_and_moves_no_vector(bound: float) -> None:
    core = normals(3, 4, 4)
    values, end = torch.linalg.svdvals(core), clamped(core, bound)
    clamp = torch.linalg.svdvals(end)
    assert float((clamp[:, 0] / clamp[:, -1]).max()) <= bound * (1 + 1e-12)
    torch.testing.assert_close(end @ core.mT, (end @ core.mT).mT, atol=1e-9, rtol=1e-9)  # the same singular vectors
    assert torch.equal(clamped(end, bound).isfinite(), torch.ones_like(end, dtype=torch.bool))
    inside = torch.eye(4, dtype=core.dtype)[None] * values[:1, :1]
    torch.testing.assert_close(clamped(inside, bound), inside)


def test_orientation_keeps_columns_near_where_they_were() -> None:
    q = oriented(normals(2, 6, 3))
    torch.testing.assert_close(oriented(q + 1e-6 * normals(2, 6, 3, seed=8)), q, atol=1e-5, rtol=0)
    plain = torch.linalg.qr(q)[0]
    assert (plain - q).norm() > 1  # what orientation prevents


def test_without_a_bound_a_step_is_the_projected_gradient() -> None:
    """(W_new - W)/eta -> -(U U'G + G V V' - U U'G V V'), with singular values in the interval, which ends at twice their mean."""
    own, g, eta = layer(1e9), normals(2, 7, 6, seed=9), 1e-6
    u, v, before = own.u @ own.u.mT, own.v @ own.v.mT, own.weight()
    own.step(g, eta)
    torch.testing.assert_close((before - own.weight()) / eta, u @ g + g @ v - u @ g @ v, atol=1e-4, rtol=1e-4)


def conditions(bound: float) -> tuple[list[Tensor], list[ConditionedLayer]]:
    """The condition of every layer after every step of training the toy."""
    problem, runs = toy(), [Run([0]), Run([1])]
    layers = BoundedCondition(bound=bound).layers([problem] * 2, runs)
    biases = [torch.zeros_like(own.weight()[..., 0]) for own in layers]
    measured = [own.condition() for own in layers]
    for x, y in batches([problem] * 2, runs, 12, 8):
        for own, d in zip(layers, gradients([w.weight() for w in layers], biases, x, y)[0], strict=True):
            own.step(d, 0.3)
            measured.append(own.condition())
    return measured, layers


def test_the_condition_is_bounded_at_every_step_and_bases_stay_orthonormal() -> None:
    measured, layers = conditions(1.2)
    assert float(torch.stack(measured).max()) <= 1.2 * (1 + 1e-9)
    assert float(torch.stack(measured).max()) > 1.1
    for own in layers:
        for basis in (own.u, own.v):
            torch.testing.assert_close(basis.mT @ basis, torch.eye(basis.shape[2], dtype=basis.dtype).expand(2, -1, -1))
    assert float(torch.stack(conditions(50.0)[0]).max()) > 1.3


def test_a_bounded_network_learns_digits_and_says_its_condition() -> None:
    assert max(errors(BoundedCondition(epochs=6.0))) < 0.4
    run = Run([0], budget=3)
    BoundedCondition(bound=1.1).fit_networks([toy()], [run])
    assert 1 <= run.facts["condition_1"] <= 1.1 * (1 + 1e-9)
