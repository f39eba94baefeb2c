"""Experiments on systems with inputs, linearizers and Hankel layers: closed forms, and a broken twin of each claim."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from claims_support import index_of, listed, rows_for
from scipy.linalg import hankel

from dynamark.runners.claims.catalog import shipped_claims
from dynamark.runners.claims.experiments import EXPERIMENTS
from dynamark.runners.claims.koopman.experiments_conjugacy import Linearizer
from dynamark.runners.claims.koopman.experiments_hankel_layers import HankelLayer, count, network
from dynamark.runners.claims.koopman.experiments_inputs import trigonometric
from dynamark.runners.claims.koopman.experiments_mixtures import IncrementalMixture, conditional_mean, expectation
from dynamark.runners.claims.verdicts import evaluate
from dynamark.runners.registry import load_checked
from dynamark.tasks.problems import Run

# Claims whose experiments take milliseconds: they are reproduced as they are.
QUICK = ("K24", "K26", "K35")
# Fields that break the experiments, at a small size.
BROKEN: dict[str, dict[str, Any]] = {
    "K24": {"products": False, "pairs": 600},
    "K26": {"dynamics": "bilinear", "time": 50},
    "K53": {"rank": 4},
    "K54": {"dropped": True, "size": "tiny"},
    "K16": {"invertible": False, "steps": 2, "tests": 4, "horizon": 40},
    "K17": {"steps": 2, "tests": 4, "horizon": 40},
    "K27": {"layers": "diagonal", "steps": 30},
    "K35": {"forgetting": 0.01},
    "K62": {"biases": False, "steps": 2},
    "K47": {"layers": "diagonal", "steps": 30, "samples": 500},
}


def verdict(name: str, **changed: Any) -> str:
    """The verdict of a claim on one measured seed that stands for all."""

    @functools.cache
    def once(kind: type, fields: tuple[tuple[str, Any], ...]) -> Mapping[str, float]:
        return dict(kind(**dict(fields)).measure(Run((0,))).values)

    def scores(config: Mapping[str, Any], seed: int) -> Mapping[str, float]:
        kind = load_checked(EXPERIMENTS[config["task"]], "experiment")
        fields = {key: value for key, value in config.items() if key not in ("task", "method")}
        return once(kind, tuple(sorted({**fields, **changed}.items())))

    claim = shipped_claims()[name].claim
    return evaluate(listed(claim), index_of(*rows_for(claim.needs, scores))).verdict


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_experiment_reproduces_its_claim(name: str) -> None:
    assert verdict(name) == "reproduced"


@pytest.mark.parametrize("name", list(BROKEN))
def test_a_broken_experiment_does_not(name: str) -> None:
    assert verdict(name, **BROKEN[name]) not in ("reproduced", "not run")


def test_a_model_without_training_does_not_forecast_farther() -> None:
    assert verdict("K37", steps=1, train=4) not in ("reproduced", "not run")


@pytest.mark.parametrize(("ratio", "reproduced"), [(0.5, True), (6.5, False)])
def test_the_claim_against_a_network_reads_the_ratio_to_the_network(ratio: float, reproduced: bool) -> None:
    claim = shipped_claims()["K37b"].claim
    rows = rows_for(claim.needs, lambda _config, _seed: {"over_network": ratio, "over_linear": 0.5, "network": 1.0})
    assert (evaluate(listed(claim), index_of(*rows)).verdict == "reproduced") == reproduced


@pytest.mark.parametrize("factor", [1.0, 0.3])
def test_the_claim_on_cost_reads_the_least_ratio(factor: float) -> None:
    claim = shipped_claims()["K25"].claim
    ratios = {"diagonal": 1.0, "network_ratio": 2.0, "gated_ratio": 4.0 * factor, "dense_ratio": 2.0}
    rows = rows_for(claim.needs, lambda _config, _seed: ratios)
    assert (evaluate(listed(claim), index_of(*rows)).verdict == "reproduced") == (factor == 1.0)


def test_features_of_the_pendulum() -> None:
    features = trigonometric(np.array([[0.5, 2.0]]), 1)
    expected = [1, 0.5, 2, np.sin(0.5), np.cos(0.5), 2 * np.sin(0.5), 2 * np.cos(0.5)]
    assert features[0] == pytest.approx(expected)
    assert trigonometric(np.zeros((1, 2)), 3).shape == (1, 3 + 2 * 3 * 4)


def test_a_mixture_with_matrices_inverted_at_each_point_or_one_component_is_refused() -> None:
    claim = shipped_claims()["K50"].claim

    def scores(ratio: float, exponent: float, linear: float) -> str:
        measured = {
            "exponent": exponent,
            "nrmse": 0.1,
            "ratio": ratio,
            "linear": linear,
            "inverting": 2.9,
            "saved": 9.0,
        }
        rows = rows_for(claim.needs, lambda _config, _seed: measured | {"components": 9.0, "batch": 0.1})
        return evaluate(listed(claim), index_of(*rows)).verdict

    assert scores(1.0, 2.0, 0.4) == "reproduced"
    assert scores(1.0, 2.9, 0.4) == scores(5.0, 2.0, 0.4) == "not reproduced"
    assert scores(1.0, 2.0, 0.05) == "confounded"


def test_mixtures_with_one_component_are_regressions() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 2))
    joint = np.concatenate([x, x @ np.array([[1.0], [-2.0]]) + 0.5], axis=1)
    mass, means, covariances = expectation(joint, 1, 2, rng)
    assert conditional_mean(x, mass, means, covariances) == pytest.approx(joint[:, 2:], abs=1e-4)
    mixture = IncrementalMixture(np.ones(3), beta=0.1)
    for point in (np.zeros(3), 20 * np.ones(3), 0.1 * np.ones(3)):
        mixture.learn(point)
    assert len(mixture.mass) == 2
    assert mixture.mass.sum() == pytest.approx(3)


@pytest.mark.parametrize("diagonals", [False, True])
def test_a_hankel_layer_is_its_dense_matrix(diagonals: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    layer = HankelLayer(2, 3, 8, diagonals).double().requires_grad_(False)
    for parameter in layer.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    x = torch.randn(4, 2, 8, generator=generator, dtype=torch.float64)
    seen = x if layer.before is None else x * layer.before
    expected = torch.zeros(4, 3, 8, dtype=torch.float64)
    for i in range(3):
        for j in range(2):
            h = layer.sequence[i, j].numpy()
            expected[:, i] += seen[:, j] @ torch.from_numpy(hankel(h[:8], h[7:]))
    expected = (expected if layer.after is None else expected * layer.after) + layer.bias
    assert float((layer(x) - expected).abs().max()) < 1e-12


def test_counts_of_structured_networks() -> None:
    assert count(network("hankel", 2, 32, 3)) == 948
    assert count(network("dense", 2, 32, 1)) == 4160
    hankel_net, dense, diagonal = (
        network(*args, readout=3) for args in (("hankel", 3, 16, 3), ("dense", 3, 16, 3), ("diagonal", 3, 16, 5))
    )
    assert count(hankel_net) < 0.5 * count(dense)
    assert count(diagonal) == pytest.approx(count(hankel_net), rel=0.03)


def test_a_linearizer_is_inverted_and_steps_by_powers() -> None:
    torch.manual_seed(0)
    model = Linearizer(2).double().requires_grad_(False)
    model.matrix.copy_(torch.tensor([[0.9, 0.2], [0.0, 0.7]]))
    x = torch.randn(20, 2, dtype=torch.float64)
    assert float((model.lower(model.lift(x)) - x).abs().max()) < 1e-12
    assert float((model.lift(x) - x).abs().max()) > 1e-2
    power = model.lower(model.lift(x) @ torch.linalg.matrix_power(model.matrix, 7).T)
    assert float((model(x, 7)[:, -1] - power).abs().max()) < 1e-12
