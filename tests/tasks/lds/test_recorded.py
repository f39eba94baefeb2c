"""Recorded series against statsmodels itself: the values, their license, and its own autoregressions of them."""

from __future__ import annotations

import importlib
from importlib import util
from typing import Any

import numpy as np
import pytest
from support import entry, specs

from dynamark.cli import main
from dynamark.errors import UserError
from dynamark.methods.linear.realization import N4SID
from dynamark.methods.linear.regression import ARX, FIR, RealPoles, SpectralARX
from dynamark.runners.execute.answers import ask
from dynamark.runners.plan.expand import expand
from dynamark.runners.plan.suite import Suite
from dynamark.tasks.lds.recorded import RECORDS, Recorded
from dynamark.tasks.problems import Run

NAMES = sorted(RECORDS)
SUITE = Suite("s", "", (entry(("lds/sunspots", "lds/sym_pos"), ("arx",), "tiny", 1),))


def task(series: str) -> Recorded:
    pytest.importorskip("statsmodels")
    return Recorded(name=f"lds/{series}", tier="tiny", series=series)


def nmse(method: Any, of: Recorded) -> float:
    """What `run` makes of a method, causality looked at."""
    problem = of.problem(0)
    return of.score(ask(method.fit_predictor(problem, Run()), problem, Run()), 0).values["nmse"]


def nmse_of_mean(of: Recorded) -> float:
    return float(np.mean(of.scaled(0)[0][of.start :] ** 2))


@pytest.mark.parametrize("series", NAMES)
def test_values_are_those_of_statsmodels_and_in_the_public_domain(series: str) -> None:
    ours = task(series).generate(3)["record"]
    module = importlib.import_module(f"statsmodels.datasets.{series}")
    theirs = module.load_pandas().data.drop(columns="YEAR").to_numpy().ravel()
    np.testing.assert_array_equal(ours, theirs)
    assert "public domain" in module.COPYRIGHT


def test_known_facts_of_the_series() -> None:
    """309 years, the highest maximum in 1957; 61 years of months, the warmest of them in the event of 1997/98."""
    spots, sea = (task(series).generate(0)["record"] for series in ("sunspots", "elnino"))
    assert (len(spots), 1700 + int(spots.argmax()), spots.max()) == (309, 1957, 190.2)
    assert (len(sea), 1950 + int(sea.argmax()) // 12, sea[0]) == (732, 1998, 23.11)
    # Mean time from minimum to minimum is eleven years; the sea is warmest in March, coldest in September.
    power = np.abs(np.fft.rfft(spots - spots.mean())) ** 2
    assert 309 / power.argmax() == pytest.approx(11, abs=0.1)
    by_month = sea.reshape(61, 12).mean(axis=0)
    assert (by_month.argmax(), by_month.argmin()) == (2, 8)


@pytest.mark.parametrize("series", NAMES)
def test_parts_follow_each_other_and_only_the_training_part_sets_the_scale(series: str) -> None:
    recorded_task = task(series)
    problem = recorded_task.problem(0)
    train, validation = problem.train.observations[0, :, 0], problem.validation.observations[0, :, 0]
    assert problem.query is not None
    whole = problem.query.sequences.observations[0, :, 0]
    np.testing.assert_array_equal(whole[: recorded_task.start], np.concatenate([train, validation]))
    assert float(train.mean()) == pytest.approx(0, abs=1e-12)
    assert float(train.square().mean()) == pytest.approx(1)
    assert len(whole) - recorded_task.start == {"sunspots": 2008 - 1955, "elnino": 11 * 12}[series]


@pytest.mark.parametrize("series", NAMES)
def test_the_baseline_is_the_best_of_three_trivial_answers(series: str) -> None:
    recorded_task = task(series)
    y, period = recorded_task.scaled(0)[0], recorded_task.record.period
    seasons = np.arange(len(y)) % period
    month = np.array(
        [y[: recorded_task.record.train][seasons[: recorded_task.record.train] == s].mean() for s in seasons]
    )
    tested = slice(recorded_task.start, None)
    errors = [np.mean((y - answer)[tested] ** 2) for answer in (np.zeros(len(y)), np.roll(y, 1), month)]
    assert recorded_task.baseline(0) == pytest.approx(min(errors))
    assert int(np.argmin(errors)) == {"sunspots": 1, "elnino": 2}[series]
    assert recorded_task.oracle(0) is None


@pytest.mark.parametrize(("series", "order"), [("sunspots", 2), ("sunspots", 9), ("elnino", 13)])
def test_arx_predicts_as_an_autoregression_of_statsmodels(series: str, order: int) -> None:
    """Theirs has a constant and starts at its order, ours starts from the mean: equal but for a few first values."""
    recorded_task = task(series)
    y = recorded_task.scaled(0)[0]
    fit = importlib.import_module("statsmodels.tsa.ar_model").AutoReg(y[: recorded_task.record.train], order).fit()
    lags = np.stack([y[recorded_task.start - k : len(y) - k] for k in range(1, order + 1)], axis=1)
    theirs = np.mean((fit.params[0] + lags @ fit.params[1:] - y[recorded_task.start :]) ** 2)
    assert nmse(ARX(order), recorded_task) == pytest.approx(theirs, rel=0.06)
    assert fit.sigma2 < theirs, "the cycles of the last decades are the largest"


@pytest.mark.parametrize("series", NAMES)
@pytest.mark.parametrize("method", [ARX(), RealPoles(recursive=True), N4SID()], ids=str)
def test_methods_that_use_the_past_beat_the_baseline(method: Any, series: str) -> None:
    recorded_task = task(series)
    assert nmse(method, recorded_task) < recorded_task.baseline(0)
    assert nmse(FIR(), recorded_task) == pytest.approx(nmse_of_mean(recorded_task)), (
        "without inputs it predicts the training mean"
    )


def test_filters_for_real_poles_do_not_suit_an_oscillation_of_eleven_years() -> None:
    recorded_task = task("sunspots")
    fit = ARX(2).fit_predictor(recorded_task.problem(0), Run())
    assert fit.from_outputs is not None
    first, second = fit.from_outputs[:2, 0, 0].tolist()
    assert first**2 + 4 * second < 0, "the poles of the autoregression of order 2 are complex"
    assert nmse(SpectralARX(), recorded_task) > 2 * nmse(ARX(2), recorded_task)


def test_a_record_is_the_same_for_every_seed_while_methods_start_differently() -> None:
    recorded_task = task("elnino")
    np.testing.assert_array_equal(recorded_task.data(0)["record"], recorded_task.data(4)["record"])
    assert recorded_task.entropy(0, "method") != recorded_task.entropy(1, "method")


def test_no_salt_makes_a_record_anew_so_that_a_plan_leaves_it_out() -> None:
    assert task("sunspots").unavailable is None
    assert {run.row["task"] for run in expand(SUITE).runs} == {"lds/sunspots", "lds/sym_pos"}
    salted = expand(SUITE, salt="fresh")
    assert {run.row["task"] for run in salted.runs} == {"lds/sym_pos"}
    assert salted.not_applicable == (
        ("lds/sunspots", "every method", "is a recording and cannot be regenerated with a salt"),
    )


def test_without_the_extra_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == "statsmodels" else known(name))
    remedy = r"needs statsmodels, which is not installed; pip install 'dynamark\[series\]'"
    with pytest.raises(UserError, match=remedy):
        Recorded().generate(0)
    with pytest.raises(UserError, match=f"nothing to run: lds/sunspots {remedy}"):
        expand(SUITE, task=specs("lds/sunspots"))
    assert {run.row["task"] for run in expand(SUITE).runs} == {"lds/sym_pos"}
    assert main(["data", "verify", "lds/sunspots"]) == 0
    assert capsys.readouterr().out.startswith("skip  lds/sunspots: needs statsmodels")


def test_another_series_is_refused() -> None:
    with pytest.raises(UserError, match="unknown series 'sunspot'; did you mean sunspots"):
        Recorded(series="sunspot")
