"""Rows of claims are found by what they say."""

from __future__ import annotations

from claims_support import claim, index_of, listed, row, table_of

from dynamark.runners.claims.claim import Experiment, Runs
from dynamark.runners.claims.needs import suites_of
from dynamark.runners.claims.select import Index
from dynamark.runners.plan.suite import Suite


def test_rows_are_found_by_name_fields_tier_and_seed() -> None:
    index = index_of(
        row(seed=0, value=1.0),
        row("gd(rate=2.0)", 0, 2.0, method_fields={"rate": 2.0}),
        row(seed=5, value=3.0),
        row(seed=1, value=4.0, tier="standard"),
        row("other", 0, 5.0),
        row(seed=1, value=6.0, salt="held out"),
    )
    chosen, missing = index.select(claim(Runs("f/t", "gd", seeds=2)))
    assert chosen["score.error"].tolist() == [1.0]
    assert missing == 1
    changed, missing = index.select(claim(Runs("f/t", "gd", {"rate": 2.0}, seeds=1)))
    assert changed["score.error"].tolist() == [2.0]
    assert changed["method.rate"].tolist() == [2.0]
    assert missing == 0


def test_rows_of_one_salt_do_not_answer_for_another() -> None:
    table = table_of(row(seed=0, value=1.0), row(seed=0, value=6.0, salt="word"), row(seed=1, value=7.0, salt="word"))
    needs = claim(Runs("f/t", "gd", seeds=2))
    assert Index(table).select(needs)[0]["score.error"].tolist() == [1.0]
    assert Index(table, "word").select(needs)[0]["score.error"].tolist() == [6.0, 7.0]
    assert Index(table, "other").select(needs)[1] == 2


def test_a_run_with_a_budget_of_a_suite_or_with_a_choice_is_not_what_a_claim_needs() -> None:
    index = index_of(
        row(seed=0, value=1.0, budget=50, task_fields={"passes": 50, "n": 9}),
        row(seed=1, value=2.0, budget=9, task_fields={"passes": 50, "n": 9}, finished="2027"),
        row(seed=1, value=3.0),
        row(seed=2, value=4.0, method_fields={"rate": {"any of": [1.0, 2.0]}}),
    )
    chosen, missing = index.select(claim(Runs("f/t", "gd", seeds=3)))
    assert chosen["score.error"].tolist() == [1.0, 3.0]
    assert missing == 1


def test_a_default_that_a_claim_names_is_found_too() -> None:
    chosen, missing = index_of(row()).select(claim(Runs("f/t", "gd", {"rate": 1.0}, seeds=1)))
    assert (len(chosen), missing) == (1, 0)


def test_lists_and_missing_values_of_fields_are_compared_as_rows_have_them() -> None:
    fields = {"counts": (1, 2), "alpha": None}
    index = index_of(row("gd(alpha=None, counts=(1, 2))", method_fields={"counts": [1, 2], "alpha": None, "rate": 1.0}))
    chosen, missing = index.select(claim(Runs("f/t", "gd", fields, seeds=1)))
    assert missing == 0
    assert len(chosen.where({"method.counts": (1, 2), "method.alpha": None})) == 1
    assert len(chosen.where({"method.alpha": 0.0})) == 0


def test_a_field_that_another_need_names_is_read_off_the_row() -> None:
    index = index_of(row(), row("gd(rate=2.0)", 0, 2.0, method_fields={"rate": 2.0}))
    chosen, _ = index.select(claim(Runs("f/t", "gd", seeds=1), Runs("f/t", "gd", {"rate": 2.0}, seeds=1)))
    assert dict(zip(chosen["method.rate"], chosen["score.error"], strict=True)) == {1.0: 1.0, 2.0: 2.0}


def test_needs_that_no_row_resembles_are_missing_whole() -> None:
    chosen, missing = index_of(row()).select(claim(Runs("g/other", "gd", seeds=2), Experiment("g/e")))
    assert (len(chosen), missing) == (0, 3)
    needs = claim(Runs("f/t", "gd", {"rate": 2.0}, seeds=2), Experiment("f/e", {"n": 3}))
    assert index_of(row("other")).select(needs)[1] == 3
    assert index_of().select(needs)[1] == 3


def test_the_row_that_finished_last_counts() -> None:
    index = index_of(row(value=1.0, finished="2026-01-02"), row(value=9.0, finished="2026-01-01"))
    assert index.select(claim(Runs("f/t", "gd", seeds=1)))[0]["score.error"].tolist() == [1.0]


def test_experiments_are_found_with_their_fields() -> None:
    measured = row("", task="f/e(n=3)", tier="", kind="experiment", task_fields={"n": 3, "m": 1}, value=7.0)
    chosen, missing = index_of(measured).select(claim(Experiment("f/e", {"n": 3})))
    assert chosen["task.n"].tolist() == [3]
    assert missing == 0
    assert index_of(measured).select(claim(Experiment("f/e")))[1] == 1
    assert index_of({**measured, "kind": "run"}).select(claim(Experiment("f/e", {"n": 3})))[1] == 1


def test_a_factor_of_the_seeds_multiplies_every_need() -> None:
    index = index_of(*(row(seed=k, value=float(k)) for k in range(5)))
    needs = claim(Runs("f/t", "gd", seeds=2))
    assert len(index.select(needs)[0]) == 2
    chosen, missing = index.select(needs, factor=3)
    assert (len(chosen), missing) == (5, 1)


def suites(*claims: object, **more: object) -> list[Suite]:
    return list(suites_of({str(k): listed(result) for k, result in enumerate(claims)}, **more))  # type: ignore[arg-type]


def test_what_claims_need_is_named_once_with_the_most_seeds() -> None:
    needs = (Runs("f/t", "gd", {"rate": 2.0}, {"noise": 0.1}, "tiny", 2), Experiment("f/e", {"n": 3}))
    more = (Runs("f/t", "gd", {"rate": 2.0}, {"noise": 0.1}, "tiny", 5), Experiment("f/e", {"n": 3}, seeds=4))
    (suite,) = suites(claim(*needs), claim(*more))
    assert [(e.tasks[0].label, e.methods[0].label, e.tier, e.seeds) for e in suite.entries] == [
        ("f/t(noise=0.1)", "gd(rate=2.0)", "tiny", 5)
    ]
    assert [(spec.label, count) for spec, count in suite.experiments] == [("f/e(n=3)", 4)]


def test_looks_and_convergence_checks_are_among_what_claims_need() -> None:
    tested = claim(Runs("f/t", "gd", seeds=2), looks=(1, 3), convergence=[Runs("f/t", "gd", {"steps": 20}, seeds=2)])
    (whole,) = suites(tested)
    assert {(e.methods[0].label, e.seeds) for e in whole.entries} == {("gd", 6), ("gd(steps=20)", 6)}
    (first,) = suites(tested, looks={"0": 0}, convergence=[])
    assert {(e.methods[0].label, e.seeds) for e in first.entries} == {("gd", 2)}
