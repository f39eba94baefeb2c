"""Claims on axes, zero-shot adapters, measures and neurons: reproduced as they are, and not with a broken twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from claims_support import index_of, rows_for
from measured_claims import measured, verdict

from dynamark.methods.pretrained import zero_shot
from dynamark.runners.claims.catalog import shipped_claims
from dynamark.runners.claims.chaos import experiments_measures, experiments_neurons
from dynamark.runners.claims.verdicts import evaluate
from dynamark.tasks.problems import Run

Scores = Mapping[str, float]


def samples(config: Mapping[str, Any]) -> Scores:
    count = config["train"]
    times = {"ngrc": {50: 0.4, 500: 5.0, 2000: 5.2}.get(count, 0.0)}.get(config["method"], 0.1)
    return {"valid_time": times, "prediction_error": count**-0.4}


def ring(config: Mapping[str, Any]) -> Scores:
    sites = config["sites"]
    return {"error_lyapunov": {"esn": 0.01 * sites, "ngrc_local": 0.1, "persistence": 1.3}[config["method"]]}


def starts(config: Mapping[str, Any]) -> Scores:
    off = config["box"] > 0
    return {"error_half": {"ngrc": 1e-3 * 50**off, "sindy": 1e-4, "persistence": 1.2 + off}[config["method"]]}


def parameters(config: Mapping[str, Any]) -> Scores:
    return {"valid_time": 8.0 if config["observed"] else 0.5}


IDEAL: dict[str, Callable[[Mapping[str, Any]], Scores]] = {
    "X39": samples,
    "X40": ring,
    "X41": starts,
    "X42": parameters,
}


def verdict_of(name: str, scores: Callable[[Mapping[str, Any]], Scores]) -> str:
    claim = shipped_claims()[name]

    def noisy(config: Mapping[str, Any], seed: int) -> Scores:
        return {key: value * (1 + 0.01 * (seed % 5)) for key, value in scores(config).items()}

    return evaluate(claim, index_of(*rows_for(claim.claim.needs, noisy, claim.claim.looks[-1]))).verdict


@pytest.mark.parametrize("name", IDEAL)
def test_axes_that_behave_as_claimed_reproduce(name: str) -> None:
    assert verdict_of(name, IDEAL[name]) == "reproduced"


BROKEN: list[tuple[str, Callable[[Mapping[str, Any]], Scores]]] = [
    ("X39", lambda config: {**samples(config), "valid_time": 5.0 if config["method"] == "ngrc" else 0.1}),
    ("X39", lambda config: {**samples(config), "prediction_error": config["train"] ** 0.1}),
    ("X40", lambda config: {"error_lyapunov": 0.3}),
    ("X41", lambda config: {"error_half": 1e-3}),
    ("X41", lambda config: {"error_half": 1e-3 * 50 ** (config["box"] > 0)}),
    ("X42", lambda config: {"valid_time": 8.0}),
    ("X42", lambda config: {"valid_time": 0.5}),
]


@pytest.mark.parametrize(("name", "scores"), BROKEN)
def test_axes_on_which_nothing_changes_do_not(name: str, scores: Callable[[Mapping[str, Any]], Scores]) -> None:
    assert verdict_of(name, scores) in ("not reproduced", "confounded")


def test_a_local_model_no_better_than_persistence_is_confounded() -> None:
    def poor(config: Mapping[str, Any]) -> Scores:
        return {"error_lyapunov": 1.2} if config["method"] == "ngrc_local" else ring(config)

    assert verdict_of("X40", poor) == "confounded"


def test_an_adapter_that_mixes_channels_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    smaller = {"context": 64, "horizon": 20, "paths": 2}
    assert verdict("X38", **smaller) == "reproduced"
    apart = zero_shot._channels

    def mixed(context: Any) -> torch.Tensor:
        weights = 1.0 + torch.arange(context.dim) / 10  # a mean of all channels, which knows their order
        return apart(context) + (context.observations * weights).mean(2).repeat_interleave(context.dim, 0)

    monkeypatch.setattr(zero_shot, "_channels", mixed)
    checks = {result.check.what: result.verdict for result in measured("X38", **smaller).results}
    assert checks["change of one channel's forecast with other channels"] == "not reproduced"
    assert verdict("X38", **smaller) == "not reproduced"


def test_triangles_are_edges_of_twice_their_weight_and_not_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdict("X23", states=50) == "reproduced"
    monkeypatch.setattr(experiments_neurons, "_TRIANGLES_PER_EDGE", 1.0)
    assert verdict("X23", states=50) == "not reproduced"


def test_the_spectrum_splits_and_that_of_a_network_without_its_triangles_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, y = experiments_neurons.synchronous_state()
    state = np.repeat([x, y], 4)
    assert x == pytest.approx(0.14559, abs=1e-5)
    np.testing.assert_allclose(experiments_neurons.network_step(state, 0.1, 0.2, 0.3), state, atol=1e-14)
    assert verdict("X22", draws=10) == "reproduced"
    whole = experiments_neurons.network_step
    monkeypatch.setattr(experiments_neurons, "network_step", lambda s, hub, ring, _: whole(s, hub, ring, 0.0))
    assert verdict("X22", draws=10) == "not reproduced"


def test_the_two_codes_of_the_network_agree() -> None:
    state = np.random.default_rng(0).uniform(0, 1, (8, 3))
    expected = experiments_neurons.network_step(state.T.copy(), -0.1, 0.05, 0.0).T
    experiments_measures.chialvo(-0.1, 0.05)(state)()
    np.testing.assert_allclose(state, expected, rtol=1e-12)


def irregularity(config: Mapping[str, Any]) -> Scores:
    return {"k": 0.998, "entropy": 0.17} if config["hub"] else {"k": 0.1, "entropy": 0.07}


def test_irregularity_needs_the_coupling(monkeypatch: pytest.MonkeyPatch) -> None:
    """The claim on made-up values; the measurement on one orbit of half the length, with the coupling and without."""
    assert verdict_of("X21", irregularity) == "reproduced"
    assert verdict_of("X21", lambda config: irregularity({"hub": 0.0})) == "not reproduced"
    assert verdict_of("X21", lambda config: irregularity({"hub": -0.1})) == "not reproduced"
    small = experiments_measures.ChialvoIrregularity(samples=1500)
    assert small.measure(Run([0])).values["k"] > 0.9
    coupled = experiments_measures.chialvo
    monkeypatch.setattr(experiments_measures, "chialvo", lambda hub, ring: coupled(0.0, 0.0))
    assert small.measure(Run([0])).values["k"] < 0.3


def test_oversampling_hides_chaos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments_measures, "decorrelation_stride", lambda series: 1)
    checks = {r.check.what: r.verdict for r in measured("X43", samples=300, states=40, pairs=2).results}
    assert checks["K of the Lorenz system sampled every 0.01"] == "reproduced"
    assert checks["K at the stride at which its autocorrelation is below 1/e"] == "not reproduced"
