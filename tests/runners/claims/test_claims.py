"""Verdicts follow from intervals, looks, fair controls and convergence; reports say what was measured."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
from claims_support import claim, index_of, listed, row, table_of

from dynamark.errors import UserError
from dynamark.runners.claims import report
from dynamark.runners.claims.api import Claims
from dynamark.runners.claims.catalog import FAMILIES, choose, shipped_claims
from dynamark.runners.claims.claim import EMPIRICAL, THEOREM, VERDICTS, Change, Check, Claim, Experiment, Interval, Runs
from dynamark.runners.claims.page import markdown
from dynamark.runners.claims.papers import paper_of
from dynamark.runners.claims.quantities import median
from dynamark.runners.claims.relations import Above, Below, Between
from dynamark.runners.claims.select import Index
from dynamark.runners.claims.verdicts import Evaluation, evaluate, evaluate_all

ONE = Runs("f/t", "gd", seeds=1)


def check(low: float, high: float, relation: Any, **more: Any) -> Check:
    return Check("x", lambda rows: Interval((low + high) / 2, low, high), relation, **more)


def evaluated(tested: Claim, *rows: dict[str, Any]) -> Evaluation:
    return evaluate(listed(tested), index_of(*rows))


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
def test_verdicts_of_intervals(relation: Any, low: float, high: float, verdict: str) -> None:
    tested = claim(ONE, checks=[check(low, high, relation)], convergence="no budget")
    assert evaluated(tested, row()).verdict == verdict


def test_a_value_outside_does_not_count_while_its_interval_covers() -> None:
    outside = Check("x", lambda rows: Interval(2.5, 1.5, 3.0), Below(2))
    assert evaluated(claim(ONE, checks=[outside]), row()).verdict == "inconclusive"


def test_an_interval_around_a_whole_band_decides_nothing() -> None:
    """Neither its ends nor its value lie in the band, which it covers all the same."""
    around = Check("x", lambda rows: Interval(2.2, 0.5, 2.5), Between(1, 2))
    assert evaluated(claim(ONE, checks=[around], convergence="none"), row()).verdict == "inconclusive"
    beside = Check("x", lambda rows: Interval(2.2, 2.1, 2.5), Between(1, 2))
    assert evaluated(claim(ONE, checks=[beside], convergence="none"), row()).verdict == "not reproduced"


def test_one_check_that_fails_decides_beside_one_that_is_open() -> None:
    bad, open_ = check(3, 3.5, Below(2)), check(1.5, 2.5, Below(2))
    for checks in ([bad, open_], [open_, bad]):
        assert evaluated(claim(ONE, checks=checks, convergence="none"), row()).verdict == "not reproduced"


def test_all_checks_must_hold_and_controls_do_not_decide() -> None:
    good, bad = check(1, 1.5, Below(2)), check(3, 3.5, Below(2))
    assert evaluated(claim(ONE, checks=[good, bad], convergence="none"), row()).verdict == "not reproduced"
    assert evaluated(claim(ONE, checks=[good], controls=[bad]), row()).verdict == "reproduced"


def test_missing_rows_are_not_run_and_failed_ones_inconclusive() -> None:
    needs = claim(Runs("f/t", "gd", seeds=2))
    assert evaluated(needs, row()).verdict == "not run"
    failed = evaluated(needs, row(), row(seed=1, status="crashed"))
    assert (failed.verdict, failed.failed) == ("inconclusive", 1)
    none = evaluated(needs, row(status="crashed"), row(seed=1, status="crashed"))
    assert (none.verdict, none.failed) == ("inconclusive", 2)


def test_one_claim_whose_rows_lack_a_score_does_not_end_the_list() -> None:
    tested = evaluated(claim(ONE, checks=[Check("e", median("renamed"), Below(2))]), row())
    assert tested.verdict == "not run"
    assert "no row of this claim has the score 'renamed'" in report.whole(tested)


# --- one seed


def test_one_seed_decides_nothing_about_an_empirical_claim() -> None:
    single = [Check("e", median("error"), Below(2))]
    assert evaluated(claim(ONE, checks=single), row()).verdict == "inconclusive"
    exact = [Check("e", median("error"), Below(2), exact="nothing is drawn")]
    assert evaluated(claim(ONE, checks=exact), row()).verdict == "reproduced"
    assert evaluated(Claim("p", THEOREM, "s", [ONE], single), row()).verdict == "reproduced"


# --- fair controls


def test_a_claim_that_a_fair_control_explains_is_confounded() -> None:
    good, bad, open_ = check(1, 1.5, Below(2)), check(3, 3.5, Below(2)), check(1, 3, Below(2))
    confounded = evaluated(claim(ONE, checks=[good], fair_controls=[good, bad]), row())
    assert confounded.verdict == "confounded"
    assert "fair control" in confounded.reason
    assert evaluated(claim(ONE, checks=[good], fair_controls=[open_]), row()).verdict == "inconclusive"
    assert evaluated(claim(ONE, checks=[good], fair_controls=[good]), row()).verdict == "reproduced"
    # What does not hold is not explained either.
    failing = claim(ONE, checks=[bad], fair_controls=[bad], convergence="none")
    assert evaluated(failing, row()).verdict == "not reproduced"


# --- convergence

DOUBLED = Runs("f/t", "gd", {"steps": 20}, seeds=5)


def trained(errors: list[float], doubled: list[float]) -> list[dict[str, Any]]:
    rows = [row(seed=k, value=v, method_fields={"steps": 10}) for k, v in enumerate(errors)]
    return rows + [row("gd(steps=20)", k, v, method_fields={"steps": 20}) for k, v in enumerate(doubled)]


def test_a_negative_verdict_counts_only_once_twice_the_budget_changes_nothing() -> None:
    five = Runs("f/t", "gd", seeds=5)
    declared = claim(five, convergence=[DOUBLED])
    errors = [5.0, 5.5, 6.0, 6.5, 7.0]
    assert evaluated(claim(five), *trained(errors, [])).verdict == "inconclusive"  # none is declared
    missing = evaluated(declared, *trained(errors, []))
    assert (missing.verdict, missing.convergence[0].verdict) == ("inconclusive", "not run")
    assert "missing" in missing.reason
    same = evaluated(declared, *trained(errors, [5.4, 5.6, 5.9, 6.1, 6.2]))
    assert same.verdict == "not reproduced"
    assert same.convergence[0].interval is not None
    assert same.convergence[0].interval.value == 5.9
    better = evaluated(declared, *trained(errors, [2.4, 2.6, 2.9, 3.1, 3.2]))
    assert better.verdict == "inconclusive"
    assert "more than its interval" in better.reason


def test_where_there_is_no_budget_a_negative_verdict_stands_and_theorems_need_no_check() -> None:
    bad = [check(3, 3.5, Below(2))]
    assert evaluated(claim(ONE, checks=bad, convergence="closed form"), row()).verdict == "not reproduced"
    assert evaluated(Claim("p", THEOREM, "s", [ONE], bad), row()).verdict == "not reproduced"


# --- looks


def test_a_later_look_is_taken_only_where_the_earlier_ones_decide_nothing() -> None:
    tested = claim(Runs("f/t", "gd", seeds=3), looks=(1, 3), convergence="none")
    decided = evaluated(tested, *(row(seed=k, value=v) for k, v in enumerate([1.0, 1.1, 1.2, *[9.0] * 6])))
    assert (decided.verdict, decided.look) == ("reproduced", 0)
    refuted = evaluated(tested, *(row(seed=k, value=v) for k, v in enumerate([9.0, 9.1, 9.2, *[1.0] * 6])))
    assert (refuted.verdict, refuted.look) == ("not reproduced", 0)
    open_ = [1.0, 1.5, 3.0]
    further = evaluated(tested, *(row(seed=k, value=v) for k, v in enumerate([*open_, *[1.0] * 6])))
    assert (further.verdict, further.look) == ("reproduced", 1)
    waiting = evaluated(tested, *(row(seed=k, value=v) for k, v in enumerate(open_)))
    assert (waiting.verdict, waiting.look) == ("inconclusive", 0)
    assert "look 2 of 2 needs 6 more rows" in waiting.reason


def test_the_error_level_is_spent_over_the_looks() -> None:
    assert claim(ONE).level == pytest.approx(0.95)
    three = claim(ONE, looks=(1, 3, 9))
    assert 3 * (1 - three.level) == pytest.approx(0.05)
    assert index_of(row()).select(three)[0].level == three.level


# --- reports


def test_reports_say_what_was_measured() -> None:
    two = Runs("f/t", "gd", seeds=2)
    tested = claim(two, note="a note", published="3.5", registered="0.1.0", changes=(Change("0.1.0", "a | b", "why"),))
    evaluation = evaluated(tested, row(), row(seed=1, value=1.5))
    assert "1 claim of 1 paper: 1 reproduced" in report.listing([evaluation])
    whole = report.whole(evaluation)
    for line in (
        "Lorenz (1963), Deterministic Nonperiodic Flow",
        "statement  statement",
        "published  3.5",
        "✓ e: 1.25 [1, 1.5], must be ≤ 2",
        "gd on f/t, tiny: 2 seeds (dynamark reproduce gd-0-1.0)",
        "relation registered in version 0.1.0",
        "changed in 0.1.0: a | b (why)",
    ):
        assert line in whole
    page = markdown([evaluation])
    assert (
        "| X (empirical) | Lorenz (1963), Deterministic Nonperiodic Flow | statement | e: 1.25 [1, 1.5] | ≤ 2 | 3.5 |"
        in page
    )
    assert "| X | 0.1.0: a \\| b | why |  | ✓ reproduced |" in page
    assert report.summary([]) == "no claims"


def test_every_verdict_has_a_mark() -> None:
    assert set(report.MARKS) == set(VERDICTS)
    assert len(set(report.MARKS.values())) == len(VERDICTS)


def test_verdicts_on_held_out_data_stand_beside_the_public_ones() -> None:
    two = Runs("f/t", "gd", seeds=2)
    table = table_of(row(), row(seed=1), row(value=8.0, salt="w"), row(seed=1, value=9.0, salt="w"))
    chosen = {"X": listed(claim(two, convergence="none"))}
    claims_list = Claims(evaluate_all(chosen, table), evaluate_all(chosen, table, "w"))
    (line,) = [line for line in str(claims_list).splitlines() if " X " in line]
    assert line.startswith("✓")
    assert "✗ not reproduced" in line
    assert "held out: ✗ not reproduced" in claims_list.to_text()
    assert "| ✓ reproduced | ✗ not reproduced |" in claims_list.to_markdown()


def test_the_list_as_a_data_frame_has_one_record_a_quantity() -> None:
    pytest.importorskip("pandas")
    tested = Claims([evaluated(claim(ONE, checks=[check(1, 1.5, Below(2))], fair_controls=[check(0, 1, None)]), row())])
    frame = tested.to_frame()
    assert frame["role"].tolist() == ["check", "fair control"]
    assert frame["value"].tolist() == [1.25, 0.5]


# --- the claims that ship


def test_every_claim_that_ships_can_be_evaluated_without_rows() -> None:
    index = Index(table_of())
    for shipped in shipped_claims().values():
        assert evaluate(shipped, index).verdict == "not run"


def test_every_claim_that_ships_is_registered_and_cites_a_paper_with_a_link() -> None:
    for shipped in shipped_claims().values():
        claimed = shipped.claim
        assert claimed.registered, shipped.id
        assert claimed.paper == "dynamark" or paper_of(claimed.paper).link.startswith("https://"), shipped.id
        assert 1 == claimed.looks[0] <= len(claimed.looks) <= 3, shipped.id
        assert list(claimed.looks) == sorted(set(claimed.looks)), shipped.id
        assert claimed.kind == THEOREM or claimed.convergence, f"{shipped.id} says nothing of convergence"


def test_a_convergence_check_asks_for_the_same_runs_with_another_budget() -> None:
    for shipped in shipped_claims().values():
        doubled = shipped.claim.convergence
        if not isinstance(doubled, str) and doubled:
            assert len(doubled) == len(shipped.claim.needs), shipped.id
            assert list(doubled) != list(shipped.claim.needs), shipped.id
            for need, twice in zip(shipped.claim.needs, doubled, strict=True):
                names = [n.name if isinstance(n, Experiment) else (n.task, n.method) for n in (need, twice)]
                assert names[0] == names[1], shipped.id
                assert need.seeds == twice.seeds, shipped.id


def test_unknown_claims_are_refused() -> None:
    with pytest.raises(UserError, match="unknown claim 'Z99'"):
        choose(["Z99"])
    with pytest.raises(UserError, match="unknown family 'weather'"):
        choose(family="weather")


def test_claims_come_in_the_order_of_their_numbers_and_name_experiments_of_their_family() -> None:
    for family in FAMILIES:
        own = [name for name, shipped in shipped_claims().items() if shipped.family == family]
        numbers = [int("".join(c for c in name if c.isdigit())) for name in own]
        assert numbers == sorted(numbers)
    for shipped in shipped_claims().values():
        for need in shipped.claim.needs:
            name = need.name if isinstance(need, Experiment) else need.task
            assert name.startswith(f"{shipped.family}/")


def test_kinds_are_those_of_claims() -> None:
    assert {shipped.claim.kind for shipped in shipped_claims().values()} == {THEOREM, EMPIRICAL}


def test_the_list_needs_neither_torch_nor_scipy() -> None:
    code = (
        "import sys; from dynamark.cli import main; main(['claims', 'list', '--no-published']); "
        "print(sorted({'torch', 'scipy'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"


# Labels that send the reader back to another label, and private arithmetic ("a less b").
UNCLEAR = re.compile(
    r"\bthe same\b|^its\b|\bthose\b|\bover that\b|\bless (?!than)\w|\bthat are$|^(largest|smallest|least|fewest|most)$"
)


@pytest.mark.parametrize("name", shipped_claims())
def test_each_label_names_its_quantity(name: str) -> None:
    claim = shipped_claims()[name].claim
    labels = [check.what for check in (*claim.checks, *claim.fair_controls, *claim.controls)]
    assert [label for label in labels if UNCLEAR.search(label)] == []
