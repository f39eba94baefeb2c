"""Claims: rows are found by what they say, quantities agree with their definitions, verdicts with their intervals."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas
import pytest

from dynamark.errors import UserError
from dynamark.runners.claims import quantities, report
from dynamark.runners.claims.claim import EMPIRICAL, Above, Below, Between, Check, Claim, Experiment, Measured, Runs
from dynamark.runners.claims.select import experiments_of, prepare, runs_of, select
from dynamark.runners.claims.verdicts import FAMILIES, all_claims, choose, judge


def row(
    method: str = "gd", seed: int = 0, value: float = 1.0, task: str = "f/t", status: str = "ok", **told: Any
) -> dict[str, Any]:
    return {
        "key": f"{method}-{seed}-{value}",
        "task": task,
        "tier": told.get("tier", "tiny"),
        "salt": told.get("salt", ""),
        "task_fields": json.dumps(told.get("task_fields", {})),
        "method": method,
        "method_fields": json.dumps(told.get("method_fields", {"rate": 1.0})),
        "seed": seed,
        "budget": told.get("budget"),
        "status": status,
        "scores": [{"name": "error", "value": value}] if status == "ok" else None,
        "curves": [],
        "fit_seconds": 0.1,
        "finished": told.get("finished", "2026-01-01"),
    }


def claim(*needs: Runs | Experiment, checks: tuple[Check, ...] = ()) -> Claim:
    return Claim(
        "lorenz1963", EMPIRICAL, "statement", needs, checks or (Check("e", quantities.median("error"), Below(2)),)
    )


def rows_of(*told: dict[str, Any]) -> pandas.DataFrame:
    return prepare(pandas.DataFrame(list(told)))


def test_rows_are_found_by_name_fields_tier_and_seed() -> None:
    rows = rows_of(
        row(seed=0, value=1.0),
        row("gd(rate=2.0)", 0, 2.0, method_fields={"rate": 2.0}),
        row(seed=5, value=3.0),
        row(seed=1, value=4.0, tier="standard"),
        row("other", 0, 5.0),
        row(seed=1, value=6.0, salt="held out"),
    )
    chosen, missing = select(claim(Runs("f/t", "gd", seeds=2)), rows)
    assert chosen["score.error"].tolist() == [1.0]
    assert missing == 1
    changed, missing = select(claim(Runs("f/t", "gd", {"rate": 2.0}, seeds=1)), rows)
    assert changed["score.error"].tolist() == [2.0]
    assert changed["method.rate"].tolist() == [2.0]
    assert missing == 0


def test_a_run_with_a_budget_of_a_suite_or_with_a_choice_is_not_what_a_claim_needs() -> None:
    rows = rows_of(
        row(seed=0, value=1.0, budget=50, task_fields={"passes": 50, "n": 9}),
        row(seed=1, value=2.0, budget=9, task_fields={"passes": 50, "n": 9}, finished="2027"),
        row(seed=1, value=3.0),
        row(seed=2, value=4.0, method_fields={"rate": {"any of": [1.0, 2.0]}}),
    )
    chosen, missing = select(claim(Runs("f/t", "gd", seeds=3)), rows)
    assert chosen["score.error"].tolist() == [1.0, 3.0]
    assert missing == 1


def test_a_default_that_a_claim_names_is_found_too() -> None:
    chosen, missing = select(claim(Runs("f/t", "gd", {"rate": 1.0}, seeds=1)), rows_of(row()))
    assert (len(chosen), missing) == (1, 0)


def test_a_field_that_another_need_names_is_read_off_the_row() -> None:
    rows = rows_of(row(), row("gd(rate=2.0)", 0, 2.0, method_fields={"rate": 2.0}))
    chosen, _ = select(claim(Runs("f/t", "gd", seeds=1), Runs("f/t", "gd", {"rate": 2.0}, seeds=1)), rows)
    assert dict(zip(chosen["method.rate"], chosen["score.error"], strict=True)) == {1.0: 1.0, 2.0: 2.0}


def test_needs_that_no_row_resembles_are_missing_whole() -> None:
    chosen, missing = select(claim(Runs("g/other", "gd", seeds=2), Experiment("g/e")), rows_of(row()))
    assert (len(chosen), missing) == (0, 3)


def test_the_row_that_finished_last_counts() -> None:
    rows = rows_of(row(value=1.0, finished="2026-01-02"), row(value=9.0, finished="2026-01-01"))
    assert select(claim(Runs("f/t", "gd", seeds=1)), rows)[0]["score.error"].tolist() == [1.0]


def test_experiments_are_found_with_their_fields() -> None:
    made = row("experiment", task="f/e(n=3)", tier="experiment", task_fields={"n": 3, "m": 1}, value=7.0)
    chosen, missing = select(claim(Experiment("f/e", {"n": 3})), rows_of(made))
    assert chosen["task.n"].tolist() == [3]
    assert missing == 0
    assert select(claim(Experiment("f/e")), rows_of(made))[1] == 1


def test_without_any_row_everything_is_missing() -> None:
    needs = claim(Runs("f/t", "gd", {"rate": 2.0}, seeds=2), Experiment("f/e", {"n": 3}))
    chosen, missing = select(needs, rows_of(row("other")))
    assert (len(chosen), missing) == (0, 3)


def test_what_claims_need_is_named_once_with_the_most_seeds() -> None:
    claims = [
        claim(Runs("f/t", "gd", {"rate": 2.0}, {"noise": 0.1}, "tiny", 2), Experiment("f/e", {"n": 3})),
        claim(Runs("f/t", "gd", {"rate": 2.0}, {"noise": 0.1}, "tiny", 5), Experiment("f/e", {"n": 3}, seeds=4)),
    ]
    assert runs_of(claims) == [("f/t(noise=0.1)", "gd(rate=2.0)", "tiny", 5)]
    assert experiments_of(claims) == [("f/e(n=3)", 4)]


def measured(measure: Any, *told: dict[str, Any], **fields: Any) -> Measured:
    needs = fields.get("needs", [Runs("f/t", "gd", seeds=9)])
    made: Measured = measure(select(claim(*needs), rows_of(*told))[0])
    return made


def test_median_with_its_interval() -> None:
    values = [1.0, 2.0, 4.0, 8.0, 100.0]
    made = measured(quantities.median("error"), *(row(seed=k, value=v) for k, v in enumerate(values)))
    assert made.value == 4.0
    assert 1.0 <= made.low < 4.0 < made.high <= 100.0


def test_one_seed_has_no_interval() -> None:
    assert measured(quantities.median("error"), row(value=3.0)) == Measured(3.0, 3.0, 3.0)


def test_largest_and_smallest_and_share() -> None:
    told = [row(seed=k, value=float(k)) for k in range(4)]
    assert measured(quantities.largest("error"), *told) == Measured.exactly(3.0)
    assert measured(quantities.smallest("error"), *told) == Measured.exactly(0.0)
    assert measured(quantities.share("error", lambda x: x > 0.5), *told) == Measured.exactly(0.75)


def test_ratio_is_taken_seed_by_seed() -> None:
    told = [row("gd", k, float(k + 1)) for k in range(3)] + [row("agd", k, 2.0 * (k + 1)) for k in range(3)]
    needs = [Runs("f/t", "gd", seeds=3), Runs("f/t", "agd", seeds=3)]
    for paired in (True, False):
        made = measured(quantities.ratio("error", {"method": "agd"}, {"method": "gd"}, paired), *told, needs=needs)
        assert made.value == pytest.approx(2.0)
    assert measured(quantities.ratio("error", {"method": "agd"}, {"method": "gd"}), *told, needs=needs).low == 2.0


def scaled(power: float) -> tuple[list[dict[str, Any]], list[Runs]]:
    rates = [1.0, 2.0, 5.0]
    label = {1.0: "gd", 2.0: "gd(rate=2.0)", 5.0: "gd(rate=5.0)"}
    told = [row(label[r], k, (k + 1) * r**power, method_fields={"rate": r}) for r in rates for k in range(3)]
    return told, [Runs("f/t", "gd", {"rate": r}, seeds=3) for r in rates]


def test_power_law_recovers_its_exponent_whatever_the_seeds_factor() -> None:
    told, needs = scaled(-1.5)
    made = measured(quantities.power_law("error", "method.rate"), *told, needs=needs)
    np.testing.assert_allclose([made.value, made.low, made.high], -1.5, rtol=1e-12)


def test_spread_is_the_largest_over_the_smallest_median() -> None:
    told, needs = scaled(1.0)
    assert measured(quantities.spread("error", "method.rate"), *told, needs=needs).value == pytest.approx(5.0)


def test_a_score_that_no_row_has_is_named() -> None:
    with pytest.raises(KeyError, match="no row of this claim has the score 'nonsense'"):
        measured(quantities.median("nonsense"), row())


@pytest.mark.parametrize(
    ("relation", "low", "high", "verdict"),
    [
        (Below(2), 0.5, 1.5, "reproduced"),
        (Below(2), 2.5, 3.5, "not reproduced"),
        (Below(2), 1.5, 2.5, "inconclusive"),
        (Above(2), 2.5, 3.5, "reproduced"),
        (Above(2), 0.5, 1.5, "not reproduced"),
        (Between(1, 2), 1.1, 1.9, "reproduced"),
        (Between(1, 2), 0.5, 2.5, "inconclusive"),
        (Between(1, 2), 1.5, 2.5, "inconclusive"),
        (Between(1, 2), 2.1, 2.5, "not reproduced"),
        (Below(2), float("nan"), float("nan"), "inconclusive"),
        (None, 1.0, 2.0, "reproduced"),
    ],
)
def test_verdicts(relation: Any, low: float, high: float, verdict: str) -> None:
    check = Check("x", lambda rows: Measured((low + high) / 2, low, high), relation)
    assert judge("X", "f", claim(Runs("f/t", "gd", seeds=1), checks=(check,)), rows_of(row())).verdict == verdict


def test_all_checks_must_hold_and_controls_do_not_decide() -> None:
    good = Check("good", lambda rows: Measured.exactly(1), Below(2))
    bad = Check("bad", lambda rows: Measured.exactly(3), Below(2))
    needs = (Runs("f/t", "gd", seeds=1),)
    assert judge("X", "f", claim(*needs, checks=(good, bad)), rows_of(row())).verdict == "not reproduced"
    beside = Claim("lorenz1963", EMPIRICAL, "s", needs, (good,), controls=(bad,))
    assert judge("X", "f", beside, rows_of(row())).verdict == "reproduced"


def test_missing_rows_are_not_run_and_failed_ones_inconclusive() -> None:
    needs = claim(Runs("f/t", "gd", seeds=2))
    assert judge("X", "f", needs, rows_of(row())).verdict == "not run"
    failed = judge("X", "f", needs, rows_of(row(), row(seed=1, status="crashed")))
    assert (failed.verdict, failed.failed) == ("inconclusive", 1)
    none = judge("X", "f", needs, rows_of(row(status="crashed"), row(seed=1, status="crashed")))
    assert (none.verdict, none.failed) == ("inconclusive", 2)


def test_reports_say_what_was_measured() -> None:
    made = judge("X01", "chaos", claim(Runs("f/t", "gd", seeds=1)), rows_of(row()))
    assert "1 claims of 1 papers: 1 reproduced" in report.listing([made])
    assert "✓ e: 1, must be ≤ 2" in report.whole(made)
    page = report.markdown([made])
    assert "| X01 (empirical) | lorenz1963 | statement | e: 1 | ≤ 2 |  | ✓ reproduced |" in page
    assert report.summary([]) == "no claims"


def test_every_claim_that_ships_can_be_judged_without_rows() -> None:
    empty = prepare(pandas.DataFrame([row()]).iloc[:0])
    for name, (family, held) in all_claims().items():
        assert judge(name, family, held, empty).verdict == "not run"


def test_unknown_claims_are_refused() -> None:
    with pytest.raises(UserError, match="unknown claim 'Z99'"):
        choose(["Z99"])
    with pytest.raises(UserError, match="unknown family 'weather'"):
        choose(family="weather")


def test_claims_come_in_the_order_of_their_numbers_and_name_experiments_of_their_family() -> None:
    for family in FAMILIES:
        numbers = [int("".join(c for c in name if c.isdigit())) for name, (f, _) in all_claims().items() if f == family]
        assert numbers == sorted(numbers)
    for family, held in all_claims().values():
        for need in held.needs:
            assert (need.name if isinstance(need, Experiment) else need.task).startswith(f"{family}/")
