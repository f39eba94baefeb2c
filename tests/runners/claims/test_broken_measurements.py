"""No claim passes on numbers without meaning, every check can fail, and every empirical one carries an interval."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from claims_broken import BREAKINGS, passing
from claims_support import claim as made
from claims_support import index_of, row, rows_for
from numpy import ndarray

from dynamark.results.store import published_store, read_rows
from dynamark.runners.claims.catalog import shipped_claims
from dynamark.runners.claims.claim import EMPIRICAL, Check, Runs
from dynamark.runners.claims.columns import MissingScore, Rows
from dynamark.runners.claims.quantities import ratio
from dynamark.runners.claims.relations import Below
from dynamark.runners.claims.select import COLUMNS, Index
from dynamark.runners.claims.verdicts import CheckResult, verdict_of


@pytest.fixture(scope="module")
def index() -> Index:
    return Index(read_rows([published_store()], COLUMNS))


def test_no_claim_passes_whatever_numbers_stand_in_its_rows(index: Index) -> None:
    """By chance some do: a single one-sided relation holds for every other number."""
    with np.errstate(all="ignore"):
        assert {name for name, share in passing(index, BREAKINGS["random"], 8).items() if share == 1} == set()


# --- checks that cannot fail: whatever the scores, the relation holds

# Scores of every kind: around 0, of all sizes, negative, counts, shares, far from 0.
LAWS: list[Callable[[np.random.Generator, int], ndarray]] = [
    lambda rng, count: rng.standard_normal(count),
    lambda rng, count: 10.0 ** rng.uniform(-12, 12, count),
    lambda rng, count: -(10.0 ** rng.uniform(-12, 12, count)),
    *[lambda rng, count: rng.integers(0, 2, count).astype(float)] * 12,
    lambda rng, count: rng.uniform(size=count),
    lambda rng, count: 1000 + rng.standard_normal(count),
]


def measured(check: Check, rows: Rows, law: Callable[[np.random.Generator, int], ndarray], seed: int) -> CheckResult:
    """A check on rows whose scores are drawn; a score is drawn when the check first asks for it."""
    rng = np.random.default_rng(seed)
    for _ in range(40):
        try:
            interval = check.quantity(rows)
            return CheckResult(check, interval, verdict_of(check, interval))
        except MissingScore as error:
            rows = rows.with_score(error.score, law(rng, len(rows)))
    raise AssertionError(f"{check.what} asks for a score again and again")


@pytest.mark.parametrize("name", list(shipped_claims()))
def test_every_check_can_fail_and_every_empirical_one_carries_an_interval(name: str) -> None:
    claim = shipped_claims()[name].claim
    rows, missing = index_of(*rows_for(claim.needs, lambda config, seed: {})).select(claim)
    assert missing == 0
    with np.errstate(all="ignore"):
        assert all(measured(check, rows, LAWS[0], 0) for check in claim.controls)  # their conditions name columns
    for check in (*claim.checks, *claim.fair_controls):
        with np.errstate(all="ignore"):
            results = [measured(check, rows, law, seed) for seed, law in enumerate(LAWS)]
        if check.holds is not None:
            assert any(result.verdict != "reproduced" for result in results), f"'{check.what}' cannot fail"
        if claim.kind == EMPIRICAL and not check.exact:
            intervals = [result.interval for result in results if result.interval is not None]
            assert any(i.low < i.high for i in intervals), f"'{check.what}' has no interval"


def test_a_check_that_cannot_fail_is_found() -> None:
    """As the ratio of two distances at their floor was, which can only be 1."""
    check = Check("ratio", ratio("a", {}, {}), Below(1.0))
    rows, _ = index_of(*(row(seed=k) for k in range(3))).select(made(Runs("f/t", "gd", seeds=3)))
    results = [measured(check, rows, law, seed) for seed, law in enumerate(LAWS[:2])]
    assert all(result.verdict == "reproduced" for result in results)


def test_checks_of_a_claim_have_names_of_their_own() -> None:
    for name, listed in shipped_claims().items():
        words = [check.what for check in (*listed.claim.checks, *listed.claim.fair_controls)]
        assert len(words) == len(set(words)), name
