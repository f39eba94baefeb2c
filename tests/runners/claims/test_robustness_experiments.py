"""CondLR's bound and attacks on its networks (C24, C25), and broken versions of them."""

from __future__ import annotations

import pytest
import torch
from measured_claims import measured, verdict
from sensing_support import normals

from dynamark.methods.lowrank import conditioned
from dynamark.methods.lowrank.networks import FactoredNetwork
from dynamark.runners.claims.sensing.experiments_robustness import AttackedDigits, ConditionPath, attacked
from dynamark.tasks.problems import Run


def test_c24_the_condition_is_bounded_at_every_step() -> None:
    assert verdict("C24", steps=8) == "reproduced"


def test_c24_fails_where_clamping_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the shares tau - 1 in place of (tau - 1)/(tau + 1) the ratio may exceed tau."""
    exact = conditioned.clamped
    monkeypatch.setattr(conditioned, "clamped", lambda core, bound: exact(core, bound / max(2 - bound, 1e-3)))
    values = ConditionPath(bounds=(1.1,), steps=5).measure(Run([0])).values
    assert values["excess_0"] > 0.01
    assert verdict("C24", steps=5) == "not reproduced"


def test_an_attack_raises_the_loss_by_its_strength_along_the_sign() -> None:
    network = FactoredNetwork((((normals(3, 6)),),), (normals(3, seed=1),))
    x, y = normals(20, 6, seed=2).sigmoid(), torch.arange(20) % 3
    hostile = attacked(network, x, y, 0.01)
    assert float((hostile - x).abs().max()) <= 0.01 + 1e-12
    losses = [float(torch.nn.functional.cross_entropy(network.logits(v), y)) for v in (x, hostile)]
    assert losses[1] > losses[0]
    assert torch.equal(attacked(network, x, y, 0.0), x)


def test_c25_measures_both_networks_and_a_broken_bound_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: steps of U and V without their preconditioning lose more clean accuracy than is allowed."""
    small = AttackedDigits(epochs=4.0, rates=(0.15,))
    sound = small.measure(Run([0])).values
    assert sound["gain_10"] == pytest.approx(sound["error_factors_10"] - sound["error_bounded_10"])
    assert sound["condition_factors"] > 1.1
    monkeypatch.setattr(torch.linalg, "inv", lambda core: 0 * core)
    broken = small.measure(Run([0])).values
    assert broken["clean_loss"] > sound["clean_loss"] + 2
    assert measured("C25", epochs=3.0, rates=(0.15,)).verdict != "reproduced"
