"""The plant, its controller and the networks of L49 against closed forms; broken twins of L49."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import torch
from claims_support import index_of, rows_for

from dynamark.methods.sequence.sparse_cfc import LowRankCfC
from dynamark.runners.claims.catalog import shipped_claims
from dynamark.runners.claims.lds import experiments_imitation
from dynamark.runners.claims.lds.experiments_imitation import (
    NETS,
    PLANTS,
    Expert,
    Imitation,
    Plant,
    Student,
    closed_loop,
)
from dynamark.runners.claims.verdicts import evaluate
from dynamark.tasks.problems import Run


def test_the_plant_is_its_differential_equation_under_a_constant_force() -> None:
    a, b = Plant(stiffness=2.5, mass=2.0).matrices()
    rate = np.array([[0, 1], [2.5, -0.1]])
    solution = scipy.integrate.solve_ivp(lambda _, x: rate @ x + [0, 3 / 2.0], (0, 0.1), [0.2, -0.4], rtol=1e-10)
    np.testing.assert_allclose(a @ [0.2, -0.4] + 3 * b[:, 0], solution.y[:, -1], rtol=1e-6)


def test_the_expert_has_the_cost_of_the_riccati_equations() -> None:
    """Stationary cost tr(P W) + tr(K'(R + B'PB) K S), S the covariance of the filter's errors; worse gains cost more."""
    rng = np.random.default_rng(0)
    noise, start = rng.standard_normal((400, 400, 3)), 0.3 * rng.standard_normal((400, 2))
    expert = Expert(np.zeros((400, 2)))
    _, _, costs = closed_loop(Plant(), expert, noise, start)
    a, b, gain = expert.a, expert.b, expert.gain
    value = scipy.linalg.solve_discrete_are(a, b, np.diag([1, 0.1]), np.array([[0.1]]))
    prior = scipy.linalg.solve_discrete_are(a.T, np.eye(2, 1), np.diag([1e-4, 4e-3]), np.array([[4e-4]]))
    spread = prior - np.outer(expert.filter, prior[0])
    expected = np.trace(value @ np.diag([1e-4, 4e-3])) + (0.1 + b.T @ value @ b)[0, 0] * gain @ spread @ gain
    assert costs[100:].mean() == pytest.approx(expected, rel=0.02)
    weak = Expert(np.zeros((400, 2)))
    weak.gain = 0.8 * gain
    assert closed_loop(Plant(), weak, noise, start)[2][100:].mean() > 1.02 * expected


@pytest.mark.parametrize("name", NETS)
def test_a_student_takes_the_steps_of_its_layer(name: str) -> None:
    rank, sparsity = NETS[name]
    layer: Any = LowRankCfC(units=5, backbone=5, rank=rank, sparsity=sparsity).layer(
        3, 1, 7, torch.Generator().manual_seed(0)
    )
    x = torch.randn(4, 7, 3, generator=torch.Generator().manual_seed(1))
    x[..., 2] = 1
    expected = layer(x)[..., 0].detach().numpy()
    student = Student(layer, np.array([2.0, 3.0]), np.zeros((4, 5)), np.zeros(4))
    for t in range(7):
        student.applied(3 * x[:, t, 1].double().numpy())
        np.testing.assert_allclose(student.act(2 * x[:, t, 0].double().numpy()) / 3, expected[:, t], atol=1e-5)


def test_the_recurrent_matrix_has_its_rank_its_variance_and_its_mask() -> None:
    layer: Any = LowRankCfC(units=64, backbone=128, rank=3, sparsity=0.0).layer(
        2, 1, 9, torch.Generator().manual_seed(0)
    )
    assert torch.linalg.matrix_rank(layer.recurrent) == 3
    assert layer.recurrent.var().item() == pytest.approx(3 * 2 / 67 * 2 / 131, rel=0.3)
    assert sum(part.numel() for part in layer.factors) == 3 * (64 + 128)
    masked: Any = LowRankCfC(units=64, backbone=128, rank=0, sparsity=0.9).layer(
        2, 1, 9, torch.Generator().manual_seed(0)
    )
    assert (masked.recurrent != 0).float().mean().item() == pytest.approx(0.1, abs=0.01)
    assert masked.recurrent[masked.mask > 0].var().item() == pytest.approx(2 / 192, rel=0.15)


def test_the_mask_stays_in_training() -> None:
    layer: Any = LowRankCfC(units=6, backbone=6, rank=2, sparsity=0.5).layer(2, 1, 9, torch.Generator().manual_seed(0))
    before = layer.mask.clone()
    layer(torch.randn(3, 9, 2)).square().sum().backward()
    assert all(part.grad.abs().max() > 0 for part in layer.factors)
    with torch.no_grad():
        for part in layer.factors:
            part -= part.grad
    assert (layer.mask == before).all()
    assert (layer.recurrent[before == 0] == 0).all()


def small(**fields: Any) -> Imitation:
    return Imitation(**{"units": 8, "train": 16, "test": 8, "horizon": 20, "steps": 3, **fields})


def test_an_untrained_network_costs_far_more() -> None:
    values = small(test=16, horizon=100).measure(Run((0,))).values
    assert values["cost_untrained"] > 5
    assert values["parameters_4_80"] == 4 * 16
    assert set(values) == {
        *(f"cost_{net}_{plant}" for net in NETS for plant in PLANTS),
        *(f"{what}_{net}" for net in NETS for what in ("nmse", "parameters")),
        "cost_untrained",
    }


def verdict(factor: float, own: float = 1.0) -> str:
    """Of L49 on rows where the nets of low rank cost `factor` of the full one on other plants, and `own` on the nominal one."""

    def scores(_: Mapping[str, Any], seed: int) -> Mapping[str, float]:
        base = 1.1 + 0.01 * seed
        costs = {
            f"cost_{net}_{plant}": base * (1 if net == "full" else own if plant == "nominal" else factor)
            for net in NETS
            for plant in PLANTS
        }
        return {
            **costs,
            **{f"nmse_{net}": 1e-3 for net in NETS},
            **{f"parameters_{net}": 1.0 for net in NETS},
            "cost_untrained": 50.0,
        }

    listed = shipped_claims()["L49"]
    return evaluate(listed, index_of(*rows_for(listed.claim.needs, scores))).verdict


def test_l49_fails_where_the_networks_do_not_differ() -> None:
    """Broken twins: costs equal to the full network's, larger ones, and ones that are smaller on every plant alike."""
    assert verdict(0.9) == "reproduced"
    assert verdict(0.9, own=0.9) == "confounded"
    assert verdict(1.0) != "reproduced"
    assert verdict(1.1) != "reproduced"


def test_l49_equal_networks_have_equal_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken twin: all nets are one net. The claim does not pass on it, as above."""
    monkeypatch.setattr(experiments_imitation, "NETS", dict.fromkeys(NETS, (4, 0.8)))
    monkeypatch.setattr(
        LowRankCfC,
        "layer",
        lambda self, c, d, t, _, right=LowRankCfC.layer: right(self, c, d, t, torch.Generator().manual_seed(0)),
    )
    values = small().measure(Run((0,))).values
    for plant in PLANTS:
        assert values[f"cost_4_80_{plant}"] == values[f"cost_full_{plant}"] == values[f"cost_2_50_{plant}"]
