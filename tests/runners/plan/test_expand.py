"""From suites to planned runs: narrowing, what applies, keys, cohorts."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest
from support import DRAWN, LINE, WALK, entry, specs, write_suite

from dynamark.cli import run as verb
from dynamark.errors import UserError
from dynamark.results.keys import run_key
from dynamark.runners.plan.cohorts import PlannedRun, cohorts
from dynamark.runners.plan.expand import expand, pending
from dynamark.runners.plan.suite import Suite, load_suite, suite_names
from dynamark.runners.spec import open_fields, parse

LINEAR = f"{LINE}(gain=0.5)"


def suite(*methods: str, tasks: tuple[str, ...] = (WALK,), seeds: int = 2) -> Suite:
    return Suite("s", "", (entry(tasks, methods, "tiny", seeds),))


def test_every_method_meets_every_task_with_every_seed() -> None:
    plan = expand(suite(LINE, DRAWN, tasks=(WALK, f"{WALK}(noise=0.1)"), seeds=3))
    assert len(plan.runs) == len({run.key for run in plan.runs}) == 2 * 2 * 3
    assert all(run.key == run_key(run.row) for run in plan.runs)


def test_a_run_listed_twice_is_planned_once() -> None:
    twice = Suite("s", "", (entry((WALK,), (LINE,), "tiny", 2), entry((WALK,), (LINE, f"{LINE}(gain=1.0)"), "tiny", 3)))
    assert len(expand(twice).runs) == 3


def test_a_method_that_the_suite_lists_narrows_it_and_another_joins_all_tasks() -> None:
    both = suite(LINE, DRAWN)
    assert {run.method.label for run in expand(both, method=specs(LINE)).runs} == {"walk.py:Line"}
    joined = expand(suite(DRAWN), method=specs(LINE, LINEAR))
    assert {run.method.label for run in joined.runs} == {"walk.py:Line", "walk.py:Line(gain=0.5)"}


@pytest.mark.parametrize(("field", "budget", "open_to"), [("gain", 7, {"gain"}), ("rate", 3, set())])
def test_a_method_that_joins_meets_each_task_once_with_choices_among_fields_that_it_has(
    field: str, budget: int, open_to: set[str]
) -> None:
    plain = entry((WALK,), (DRAWN,), "tiny", 2, 3)
    trained = entry((WALK,), (DRAWN,), "tiny", 2, 7, {field: (0.5, 1.0)})
    runs = expand(Suite("s", "", (plain, trained)), method=specs(LINE)).runs
    assert [run.seed for run in runs] == [0, 1]
    assert {run.row["budget"] for run in runs} == {budget}
    assert all(set(open_fields(run.method.fields)) == open_to for run in runs)


def test_a_bare_name_or_an_alias_keeps_the_fields_that_the_suite_gives() -> None:
    listed_suite = suite(LINEAR, f"steep={LINE}(gain=2.0)", DRAWN)
    assert {run.method.label for run in expand(listed_suite, method=specs(LINE)).runs} == {
        "walk.py:Line(gain=0.5)",
        "steep",
    }
    assert {run.method.label for run in expand(listed_suite, method=specs("steep")).runs} == {"steep"}
    other = f"{LINE}(gain=3.0)"
    assert {run.method.label for run in expand(listed_suite, method=specs(other)).runs} == {"walk.py:Line(gain=3.0)"}


def test_tasks_are_narrowed_by_globs_and_seeds_and_tier_replaced() -> None:
    listed_suite = suite(LINE, tasks=(WALK, "chaos/lorenz63"))
    plan = expand(listed_suite, task=specs("*walk*"), seeds=5, tier="standard")
    assert [(run.task.tier, run.seed) for run in plan.runs if hasattr(run, "task")] == [
        ("standard", k) for k in range(5)
    ]


def test_the_key_follows_parameters_tier_salt_and_device() -> None:
    listed_suite = suite(LINE, seeds=1)
    plans = [
        expand(listed_suite),
        expand(listed_suite, tier="standard"),
        expand(listed_suite, salt="x"),
        expand(listed_suite, device="cuda"),
        expand(suite(LINEAR, seeds=1)),
        expand(suite(LINE, tasks=(f"{WALK}(noise=0.1)",), seeds=1)),
    ]
    assert len({plan.runs[0].key for plan in plans}) == len(plans)


def test_what_does_not_apply_is_said(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Other:\n    x: int = 0\n"
    )
    other = f"{tmp_path}/other.py:Other"
    plan = expand(suite(LINE, other))
    assert plan.not_applicable == (("walk.py:Walk", "other.py:Other", "has no fit_forecaster"),)
    with pytest.raises(UserError, match=r"nothing to run: method 'other\.py:Other' has no fit_forecaster"):
        expand(suite(other))


def test_globs_find_tasks_and_the_methods_that_apply() -> None:
    listed_suite = Suite("s", "", (entry(("lds/regret", "chaos/*"), ("persistence", "va*"), "tiny", 1),))
    met = {(run.row["task"], run.row["method"]) for run in expand(listed_suite).runs}
    assert ("chaos/lorenz63", "persistence") in met
    assert ("lds/regret", "vaw") in met
    assert not {pair for pair in met if pair[0].startswith("chaos") and pair[1].startswith("vaw")}
    assert expand(listed_suite).not_applicable == (("lds/regret", "persistence", "has no fit_learner"),)


def test_a_budget_of_the_suite_replaces_that_of_the_task_and_is_part_of_the_key() -> None:
    plans = [expand(Suite("s", "", (entry((WALK,), (LINE,), "tiny", 1, budget),))) for budget in (None, 5)]
    assert [plan.runs[0].row["budget"] for plan in plans] == [None, 5]
    assert plans[0].runs[0].key != plans[1].runs[0].key


def test_nothing_that_matches_is_an_error_that_lists_the_tasks() -> None:
    with pytest.raises(UserError, match=r"no task in suite 's' matches lds/\*; its tasks: .*Walk"):
        expand(suite(LINE), task=specs("lds/*"))


def test_seeds_may_be_named_one_by_one() -> None:
    listed_suite = Suite("s", "", suite(LINE).entries, experiments=((parse("sensing/equal_factors"), 2),))
    plan = expand(listed_suite, seeds=[7, 2, 7])
    assert [run.seed for run in plan.runs] == [7, 2, 7, 2]
    assert [run.row["family"] for run in plan.runs[2:]] == ["sensing", "sensing"]
    assert {run.key for run in expand(listed_suite, seeds=[2]).runs} < {
        run.key for run in expand(listed_suite, seeds=3).runs
    }
    assert [asked("--seeds", text) for text in ("5", "-1", "4-4", "0,3,7-9")] == [5, -1, [4], [0, 3, 7, 8, 9]]


def asked(*words: str) -> object:
    """What the verb `run` reads."""
    parser = argparse.ArgumentParser()
    verb.arguments(parser)
    return parser.parse_args(["quick", *words]).seeds


@pytest.mark.parametrize("seeds", [0, -1, [], [3, -1]])
def test_seeds_are_positive(seeds: int | list[int]) -> None:
    with pytest.raises(UserError, match="expected a positive number of seeds or a list of seeds"):
        expand(suite(LINE), seeds=seeds)


def test_only_what_is_missing_is_pending() -> None:
    plan = expand(suite(LINE, seeds=3))
    done = {plan.runs[0].key: "ok", plan.runs[1].key: "timeout"}
    assert pending(plan.runs, done) == [plan.runs[2]]
    assert pending(plan.runs, done, retry_failed=True) == list(plan.runs[1:])
    assert pending(plan.runs, done, force=True) == list(plan.runs)


def test_cohorts_hold_seeds_of_one_method_and_task_only() -> None:
    plan = expand(suite(DRAWN, LINE, tasks=(WALK, f"{WALK}(noise=0.1)"), seeds=10))
    batches = cohorts(plan.runs)
    for cohort in batches:
        assert len({(run.task.name, run.method.label) for run in cohort.runs if hasattr(run, "task")}) == 1
    assert sorted(len(c.runs) for c in batches if c.method.label == "walk.py:Drawn") == [2, 2, 8, 8]
    assert {len(c.runs) for c in batches if c.method.label == "walk.py:Line"} == {1}


def test_shipped_suites_expand() -> None:
    for name in suite_names():
        assert expand(load_suite(name)).runs


MALFORMED = {
    "not toml [": "is not valid TOML",
    'tier = "tiny"\nseeds = 1\n': "no [[runs]] and no [[sweeps]]",
    'seeds = 1\n[[runs]]\ntasks = ["a"]\nmethods = ["b"]\n': "no tier",
    'tier = "tiny"\n[[runs]]\ntasks = ["a"]\nmethods = ["b"]\n': "invalid seeds = None: expected a positive integer",
    'tier = "tiny"\nseeds = -1\n[[runs]]\ntasks = ["a"]\nmethods = ["b"]\n': "invalid seeds = -1",
    'tier = "tiny"\nseeds = 1\nbudget = 0\n[[runs]]\ntasks = ["a"]\nmethods = ["b"]\n': "invalid budget = 0",
    'tier = "tiny"\nseeds = true\n[[runs]]\ntasks = ["a"]\nmethods = ["b"]\n': "invalid seeds = True",
    'tier = "tiny"\nseeds = 1\n[[runs]]\ntasks = "a"\nmethods = ["b"]\n': "tasks must be a list",
    'tier = "tiny"\nseeds = 1\n[[runs]]\ntasks = ["a"]\n': "methods must be a list",
    'tier = "tiny"\nseeds = 1\nrun = 3\n[[runs]]\ntasks = ["a"]\nmethods = ["b"]\n': "unknown key 'run'",
    'tier = "tiny"\nseeds = 1\n[[runs]]\ntask = ["a"]\nmethods = ["b"]\n': "unknown key 'task'",
    'tier = "tiny"\nseeds = 1\n[[runs]]\ntasks = ["a"]\nmethods = ["b"]\n[[left_out]]\nwhat = "x"\n': "the keys what and reason",
    "runs = 3\n": "runs must be written as [[runs]] tables",
}


@pytest.mark.parametrize(("text", "message"), MALFORMED.items(), ids=range(len(MALFORMED)))
def test_malformed_suites_are_named_with_the_fault(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"bad\.toml") as error:
        load_suite(str(path))
    assert message in str(error.value)
    assert "\n" not in str(error.value).strip()


def test_unknown_suites_suggest_near_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown suite 'quik'; did you mean quick"):
        load_suite("quik")
    with pytest.raises(UserError, match="does not exist"):
        load_suite(str(tmp_path / "none.toml"))


def test_what_a_suite_leaves_out_is_kept(tmp_path: Path) -> None:
    name = write_suite(tmp_path / "s.toml", [LINE])
    path = Path(name)
    path.write_text(path.read_text() + '\n[[left_out]]\nwhat = "everything large"\nreason = "no time"\n')
    assert load_suite(name).left_out == (("everything large", "no time"),)


@pytest.mark.parametrize(("seeds", "sizes"), [(1, [1]), (8, [8]), (9, [8, 1]), (17, [8, 8, 1])])
def test_every_run_is_in_one_cohort_of_eight_at_most(seeds: int, sizes: list[int]) -> None:
    runs = expand(suite(DRAWN, seeds=seeds)).runs
    batches = cohorts(runs)
    assert [len(cohort.runs) for cohort in batches] == sizes
    assert [run.key for cohort in batches for run in cohort.runs] == [run.key for run in runs]


def test_runs_of_one_label_with_other_fields_share_no_cohort() -> None:
    """A suite lets a method choose fields that its label does not tell."""
    first, second = (run for run in expand(suite(DRAWN, seeds=2)).runs if isinstance(run, PlannedRun))
    other = replace(second, method=replace(second.method, fields={"noise": 2}))
    assert [len(cohort.runs) for cohort in cohorts([first, other])] == [1, 1]
    assert [len(cohort.runs) for cohort in cohorts([first, second])] == [2]
