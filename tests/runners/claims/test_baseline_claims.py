"""Claims on linear and recurrent baselines: reproduced as they are, and not with a broken twin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from claims_support import index_of, rows_for

from dynamark.methods.linear import direct
from dynamark.runners.claims.catalog import shipped_claims
from dynamark.runners.claims.chaos.experiments_direct import DirectLinearForms
from dynamark.runners.claims.verdicts import evaluate
from dynamark.tasks.problems import Run


def direct_verdict(**fields: Any) -> str:
    claim = shipped_claims()["X37"]
    measured = [dict(DirectLinearForms(**fields).measure(Run((seed,))).values) for seed in range(2)]
    return evaluate(claim, index_of(*rows_for(claim.claim.needs, lambda _, seed: measured[seed % 2]))).verdict


def test_least_squares_forms_are_what_the_claim_says_and_penalized_ones_are_not() -> None:
    assert direct_verdict() == "reproduced"
    assert direct_verdict(penalty=0.1) == "not reproduced"


def test_a_last_form_that_forgets_to_add_the_last_value_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = direct.features_of
    monkeypatch.setattr(direct, "features_of", lambda form, lags, kernel: usual("plain", lags, kernel))
    assert direct_verdict() == "not reproduced"


@pytest.mark.parametrize(
    ("d_stsp", "expected"),
    [
        ({"shplrnn": 1.0, "lstm_tbptt": 4.0, "lem": 6.0}, "reproduced"),
        ({"shplrnn": 1.0, "lstm_tbptt": 4.0, "lem": 0.5}, "not reproduced"),
    ],
)
def test_both_rivals_are_compared(d_stsp: Mapping[str, float], expected: str) -> None:
    claim = shipped_claims()["X36"]
    needs = [*claim.claim.needs, *claim.claim.convergence]

    def scores(config: Mapping[str, Any], seed: int) -> Mapping[str, float]:
        return {"d_stsp": d_stsp[config["method"]] * (1 + 0.01 * (seed % 5))}

    assert evaluate(claim, index_of(*rows_for(needs, scores, claim.claim.looks[-1]))).verdict == expected
