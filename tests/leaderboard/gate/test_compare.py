"""The gate: what it must catch, and what it must let pass."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from synthetic import row, rows_of, store

from dynamark.cli import main
from dynamark.errors import UserError
from dynamark.leaderboards.gate.compare import Comparison, compare
from dynamark.leaderboards.gate.report import render

TASKS = [f"chaos/t{i}" for i in range(5)]
METHODS = [f"m{i}" for i in range(8)]


def measured(seed: int = 0, seeds: int = 5, spread: float = 0.3) -> dict[str, dict[str, np.ndarray]]:
    """Scores of eight methods on five tasks, log-normal over seeds, as a suite gives them."""
    rng = np.random.default_rng(seed)
    return {m: {t: np.exp(spread * rng.standard_normal(seeds)) for t in TASKS} for m in METHODS}


def rows(scores: Any, **more: Any) -> list[dict[str, Any]]:
    return rows_of(scores, **{"fit_seconds": 2.0, **more})


def compared(folder: Path, old: list[dict[str, Any]], new: list[dict[str, Any]], **more: Any) -> Comparison:
    return compare(store(folder / "old", old), store(folder / "new", new), **more)


def words(comparison: Comparison) -> dict[tuple[str, str], str]:
    return {(v.method, v.task): v.verdict for v in comparison.verdicts if v.verdict != "same"}


def test_the_same_rows_are_the_same(tmp_path: Path) -> None:
    comparison = compared(tmp_path, rows(measured()), rows(measured()))
    assert not words(comparison)
    assert comparison.exit_code == 0
    assert len(comparison.verdicts) == 40


def test_a_method_made_5_percent_worse_is_caught(tmp_path: Path) -> None:
    scores = measured()
    new = {**scores, "m3": {t: 1.05 * v for t, v in scores["m3"].items()}}
    comparison = compared(tmp_path, rows(scores), rows(new))
    assert words(comparison) == {("m3", f"{t} [tiny]"): "worse" for t in TASKS}
    assert comparison.exit_code == 1
    assert "+5.0% over 5 seeds" in render(comparison)
    back = compared(tmp_path, rows(new), rows(scores))
    assert set(words(back).values()) == {"better"}
    assert back.exit_code == 0


def test_a_change_below_the_effect_size_passes(tmp_path: Path) -> None:
    scores = measured()
    new = {m: {t: 1.015 * v for t, v in tasks.items()} for m, tasks in scores.items()}
    assert compared(tmp_path, rows(scores), rows(new)).exit_code == 0
    assert compared(tmp_path, rows(scores), rows(new), effect=0.01).exit_code == 1


def test_other_seeds_of_the_same_code_do_not_fire(tmp_path: Path) -> None:
    """Twenty repeats in which each of 40 pairs is measured anew: the level is that of the whole comparison."""
    codes = [compared(tmp_path, rows(measured(2 * k)), rows(measured(2 * k + 1))).exit_code for k in range(20)]
    assert codes == [0] * 20


def test_a_method_twice_slower_is_caught_on_one_machine_only(tmp_path: Path) -> None:
    scores = measured()
    slow = [{**r, "fit_seconds": 4.0 if r["method"] == "m2" else 2.0} for r in rows(scores)]
    comparison = compared(tmp_path, rows(scores), slow)
    assert words(comparison) == {("m2", f"{t} [tiny]"): "slower" for t in TASKS}
    assert comparison.exit_code == 1
    elsewhere = [{**r, "provenance": {**r["provenance"], "processor": "another"}} for r in slow]
    assert compared(tmp_path, rows(scores), elsewhere).exit_code == 0
    # A cohort of eight shares its seconds, one alone does not.
    alone = [{**r, "cohort_size": 8} for r in rows(scores)]
    assert compared(tmp_path, alone, slow).exit_code == 0
    quick = [{**r, "fit_seconds": r["fit_seconds"] / 100} for r in slow]
    assert compared(tmp_path, rows(scores, fit_seconds=0.02), quick).exit_code == 0


def test_seconds_that_vary_by_15_percent_do_not_fire(tmp_path: Path) -> None:
    """A sum over five seeds then varies by 10 % in ratio; `slowdown` 1.6 is five such deviations away."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        sides = [
            [{**r, "fit_seconds": 2 * np.exp(0.15 * rng.standard_normal())} for r in rows(measured())] for _ in range(2)
        ]
        assert compared(tmp_path, *sides).exit_code == 0


def test_a_method_that_crashes_is_caught(tmp_path: Path) -> None:
    scores = measured()
    new = {**scores, "m1": {**scores["m1"], "chaos/t0": [None, *scores["m1"]["chaos/t0"][1:]]}}
    comparison = compared(tmp_path, rows(scores), rows(new))
    assert words(comparison) == {("m1", "chaos/t0 [tiny]"): "failed"}
    assert comparison.exit_code == 4
    assert "1 of 5 seeds: crashed" in render(comparison)
    assert words(compared(tmp_path, rows(new), rows(new))) == {}


def test_what_failed_and_answers_now_is_better(tmp_path: Path) -> None:
    comparison = compared(tmp_path, rows({"m": {"chaos/a": [None, None]}}), rows({"m": {"chaos/a": [1.0, None]}}))
    assert (comparison.verdicts[0].verdict, comparison.verdicts[0].detail) == ("better", "1 of 2 seeds answer now")
    both = compared(tmp_path, rows({"m": {"chaos/a": [None]}}), rows({"m": {"chaos/a": [None]}}))
    assert both.verdicts[0].detail == "failed in both"


def test_missing_runs_and_seeds_are_named(tmp_path: Path) -> None:
    scores = measured()
    new = {m: dict(t) for m, t in scores.items() if m != "m0"}
    new["m1"]["chaos/t0"] = new["m1"]["chaos/t0"][:3]
    comparison = compared(tmp_path, rows(scores), rows(new))
    assert comparison.exit_code == 3
    assert len(words(comparison)) == 6
    assert "2 of 5 seeds have no run in NEW" in render(comparison)


def test_other_versions_and_parameters_are_incomparable(tmp_path: Path) -> None:
    for change, what in (({"task_version": 2}, "version"), ({"task_fields": '{"n":3}'}, "parameters")):
        comparison = compared(tmp_path, [row(), row(seed=1)], [row(**change), row(seed=1, **change)])
        assert comparison.exit_code == 3
        assert f"the task's {what} changed" in render(comparison)


def test_one_seed_cannot_tell_a_change_from_noise(tmp_path: Path) -> None:
    comparison = compared(tmp_path, [row(value=1.0)], [row(value=2.0)])
    assert comparison.verdicts[0].verdict == "incomparable"
    assert "run more" in comparison.verdicts[0].detail
    assert compared(tmp_path, [row(value=1.0)], [row(value=1.01)]).exit_code == 0


def test_higher_can_be_better_and_differences_need_no_logarithm(tmp_path: Path) -> None:
    options = {"log": False, "lower_is_better": False, "baseline": 0.0, "oracle": 1.0}
    old = rows({"m": {"chaos/a": [0.80, 0.82, 0.84]}}, **options)
    new = rows({"m": {"chaos/a": [0.70, 0.72, 0.74]}}, **options)
    comparison = compared(tmp_path, old, new)
    assert comparison.exit_code == 1
    assert "+0.1 over 3 seeds" in render(comparison)
    assert words(compared(tmp_path, new, old)) == {("m", "chaos/a [tiny]"): "better"}


def test_scores_below_the_floor_are_equal(tmp_path: Path) -> None:
    assert (
        compared(tmp_path, rows({"m": {"chaos/a": [1e-12] * 3}}), rows({"m": {"chaos/a": [1e-8] * 3}})).exit_code == 0
    )


def test_a_store_with_rows_of_older_source_is_compared_by_its_newest(tmp_path: Path) -> None:
    old = rows({"m": {"chaos/a": [1.0, 2.0]}})
    stale = rows({"m": {"chaos/a": [50.0, 60.0]}}, method_source="older", finished="2025-01-01")
    comparison = compared(tmp_path, [*stale, *old], old)
    assert [(v.verdict, v.detail) for v in comparison.verdicts] == [("same", "error +0.0% over 2 seeds")]


def test_the_verb_in_every_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = store(tmp_path / "old", rows({"<b>": {"chaos/a": [1.0, 2.0]}, "n": {"chaos/a": [1.0, 2.0]}}))
    new = store(tmp_path / "new", rows({"<b>": {"chaos/a": [2.0, 4.0]}, "n": {"chaos/a": [None, 2.0]}}))
    by_name = {}
    for format in ("terminal", "md", "json", "junit"):
        assert main(["compare", str(old), str(new), "--format", format]) == 4
        by_name[format] = capsys.readouterr().out
    assert "failed runs: 1 failed, 1 worse" in by_name["terminal"]
    assert "&lt;b&gt;" in by_name["md"]
    assert ("| verdict" in by_name["md"], "| verdict" in by_name["terminal"]) == (True, False)
    assert "<b>" not in by_name["md"]
    assert json.loads(by_name["json"])["exit_code"] == 4
    suite = ElementTree.fromstring(by_name["junit"])
    assert (suite.get("tests"), suite.get("errors"), suite.get("failures")) == ("2", "1", "1")
    assert {case.get("name") for case in suite} == {"<b>", "n"}
    assert main(["compare", str(old / "s--m.parquet"), str(old), "--all", "--out", str(tmp_path / "out")]) == 0
    assert "same" in (tmp_path / "out").read_text()


@pytest.mark.parametrize("words", [["--effect", "0"], ["--slowdown", "-1"], ["--level", "1"], ["--effect", "nan"]])
def test_senseless_limits_are_refused(tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(store(tmp_path / "s", [row()]))
    assert main(["compare", folder, folder, *words]) == 2
    assert ": expected a number greater than 0" in capsys.readouterr().err


def test_sides_that_are_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no rows"):
        compare(tmp_path / "empty", tmp_path / "empty")
    with pytest.raises(UserError, match="neither a file, nor a folder, nor a git revision"):
        compare(str(tmp_path / "nowhere"), tmp_path / "empty")


def git(folder: Path, *words: str) -> None:
    own = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True, env=own)


def test_git_revisions_of_the_published_rows(here: Path) -> None:
    git(here, "init", "-q")
    (here / "README").write_text("")
    git(here, "add", ".")
    git(here, "commit", "-q", "-m", "empty")
    for value in (1.0, 2.0):
        store(here / "results" / "published", rows({"m": {"chaos/a": [value, 3 * value]}}))
        git(here, "add", ".")
        git(here, "commit", "-q", "-m", "rows")
    assert [v.verdict for v in compare("HEAD~1", "HEAD").verdicts] == ["worse"]
    assert compare("HEAD", here / "results" / "published").exit_code == 0
    with pytest.raises(UserError, match="has no rows in results/published"):
        compare("HEAD~2", "HEAD")
    assert [v.verdict for v in compare("HEAD~1:results/published", "HEAD:results/published/").verdicts] == ["worse"]
    with pytest.raises(UserError, match="has no rows in other"):
        compare("HEAD:other", "HEAD")
    with pytest.raises(UserError, match="nor a git revision"):
        compare("--output=x", "HEAD")


def test_an_unchanged_score_says_what_it_could_have_told(tmp_path: Path) -> None:
    """Three seeds with a large spread do not tell +148 %; with equal bits the effect size itself is told."""
    old = rows({"m": {"chaos/a": [1.0, 2.0, 3.0]}, "n": {"chaos/a": [1.0, 2.0, 3.0]}})
    new = rows({"m": {"chaos/a": [1.0, 8.0, 5.7]}, "n": {"chaos/a": [1.0, 2.0, 3.0]}})
    noisy, exact = compared(tmp_path, old, new).verdicts
    assert (noisy.verdict, noisy.weak) == ("same", True)
    assert noisy.detectable is not None
    assert noisy.detectable > 1.5
    assert "too noisy" in noisy.detail
    assert (exact.verdict, exact.weak) == ("same", False)
    assert exact.detectable == pytest.approx(0.02)


def test_what_could_be_told_is_what_would_be_told(tmp_path: Path) -> None:
    """A change just above the stated size, with the same spread, is significant, and one just below it is not."""
    noise = np.array([-0.02, 0.01, 0.03, -0.01, -0.01])
    ones = rows({"m": {"chaos/a": np.ones(5)}})
    size = compared(tmp_path / "0", ones, rows({"m": {"chaos/a": np.exp(noise)}})).verdicts[0].detectable
    assert size is not None
    for factor, word in ((1.001, "worse"), (0.999, "same")):
        new = rows({"m": {"chaos/a": np.exp(noise + factor * np.log1p(size))}})
        assert compared(tmp_path / str(factor), ones, new).verdicts[0].verdict == word


def test_power_can_be_required(tmp_path: Path) -> None:
    old, new = (rows({"m": {"chaos/a": values}}) for values in ([1.0, 2.0, 3.0], [1.0, 8.0, 5.7]))
    assert compared(tmp_path / "a", old, new).exit_code == 0
    strict = compared(tmp_path / "b", old, new, require_power=True)
    assert strict.exit_code == 3
    assert "1 unchanged scores are too noisy" in render(strict)


def test_another_environment_is_named(tmp_path: Path) -> None:
    old, new = (rows({"m": {"chaos/a": [1.0, 2.0]}}) for _ in range(2))
    for one in new:
        one["provenance"] = {**one["provenance"], "numpy": "9.9"}
    comparison = compared(tmp_path, old, new)
    (change,) = comparison.environment
    assert change.startswith("numpy: ")
    assert change.endswith("-> 9.9")
    assert f"not the same environment: {change}" in render(comparison)
    assert json.loads(render(comparison, "json"))["environment"] == [change]


def test_scores_whose_ratio_exceeds_all_numbers_are_compared(tmp_path: Path) -> None:
    """Errors at the floor of double precision on one side, a method that diverges on the other."""
    old = rows({"m": {"chaos/t": [1e-300, 1e250, 1e-300]}})
    new = rows({"m": {"chaos/t": [1e250, 1e-300, 1e250]}})
    comparison = compared(tmp_path, old, new)
    (verdict,) = comparison.verdicts
    assert (verdict.verdict, verdict.weak, verdict.detectable) == ("same", True, None)
    assert verdict.detail.endswith("too noisy to tell any change")
    assert json.loads(render(comparison, "json"))["verdicts"][0]["detectable"] is None
