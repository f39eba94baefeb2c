"""Hyper-parameters that a method chooses on validation data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from support import LINE, WALK, entry

from dynamark.errors import UserError
from dynamark.results.keys import run_key
from dynamark.results.store import Store
from dynamark.runners.execute.worker import solve
from dynamark.runners.plan.expand import expand
from dynamark.runners.plan.suite import Suite, load_suite
from dynamark.runners.registry import resolve_method
from dynamark.runners.reproduce import rerun
from dynamark.runners.run import run
from dynamark.runners.spec import Spec, candidates, field_text, halved, most_seeds, open_fields, parse, with_candidates
from dynamark.tasks.criteria import judged
from dynamark.tasks.problems import Forecasting, ForecastingQuery, Prediction, Rollout, Run, Trajectories


def growing(rate: float) -> Forecasting:
    """x_{t+1} = rate x_t, from 1."""
    path = (rate ** torch.arange(8, dtype=torch.float64))[None, :, None]
    rollout = Rollout(Trajectories(path[:, :1]), 3)
    return Forecasting(Trajectories(path), Trajectories(path), 1, ForecastingQuery({"next": rollout}))


@dataclass(frozen=True)
class Growth:
    """Multiplies by its rate; not a number for rates below 0."""

    rate: float = 1.0
    data_units: ClassVar[str] = "raw"

    def fit_forecasters(self, problems: list[Forecasting], runs: list[Run]) -> list[Growth]:
        for member in runs:
            member.curve("rate", 0, self.rate)
        return [self for _ in problems]

    def forecast(self, context: Trajectories, horizon: int, inputs: torch.Tensor | None = None) -> torch.Tensor:
        steps = torch.arange(1, horizon + 1, dtype=torch.float64)[None, :, None]
        return context.observations[:, -1:] * torch.tensor(self.rate, dtype=torch.float64).sqrt() ** (2 * steps)


def test_every_combination_is_a_trial() -> None:
    fields = {"a": {"any of": [1, 2]}, "b": 0.5, "c": {"any of": ["x", "y", "z"]}}
    assert open_fields(fields) == {"a": [1, 2], "c": ["x", "y", "z"]}
    result = candidates(fields)
    assert len(result) == 6
    assert {(t["a"], t["b"], t["c"]) for t in result} == {(a, 0.5, c) for a in (1, 2) for c in "xyz"}
    assert candidates({"a": 1}) == [{"a": 1}]


def test_each_member_gets_the_value_that_validates_best() -> None:
    methods = [Growth(rate) for rate in (-1.0, 0.5, 0.8, 1.1)]
    members = [growing(0.8), growing(1.1), growing(0.5)]
    answers = solve(methods, members, [[0], [1], [2]])
    assert [answer.facts["rate"] for answer in answers] == [0.8, 1.1, 0.5]
    for answer, rate in zip(answers, (0.8, 1.1, 0.5), strict=True):
        assert answer.facts["trials"] == 4
        assert answer.curves["rate"] == [(0.0, rate)]
        torch.testing.assert_close(
            torch.from_numpy(answer.arrays["forecast.next"][0, :, 0]), rate ** torch.arange(1, 4, dtype=torch.float64)
        )


def test_one_member_reports_once_and_one_method_tells_of_no_trials() -> None:
    (answer,) = solve([Growth(0.8)], [growing(0.8)], [[0]])
    assert answer.curves["rate"] == [(0.0, 0.8)]
    assert not answer.facts


def validation_error(model: Any, problem: Any) -> float:
    return judged({"name": "relative_error"}, model, problem)


def test_the_validation_error_is_relative_and_counts_what_was_seen() -> None:
    assert validation_error(Growth(0.8), growing(0.8)) == pytest.approx(0, abs=1e-28)
    truth = 0.8 ** torch.arange(1.0, 8.0, dtype=torch.float64)
    ratio = float((truth - 1).square().mean() / truth.square().mean())
    assert validation_error(Growth(1.0), growing(0.8)) == pytest.approx(ratio)
    assert validation_error(Growth(-1.0), growing(0.8)) == float("inf")

    class Zero:
        def predict(self, sequences: Trajectories, horizons: tuple[int, ...]) -> torch.Tensor:
            return torch.zeros(1, *sequences.observations.shape)

    outputs = torch.tensor([[[1.0], [2.0], [100.0]]])
    seen = torch.tensor([[True, True, False]])
    held_out = Trajectories(outputs, seen=seen)
    assert validation_error(Zero(), Prediction(held_out, held_out)) == 1.0

    class Halved(Zero):
        def predict(self, sequences: Trajectories, horizons: tuple[int, ...]) -> torch.Tensor:
            return sequences.observations[None] * torch.tensor([0.5, 0.5, 9.0])[None, None, :, None]

    assert validation_error(Halved(), Prediction(held_out, held_out)) == 0.25


def test_a_set_in_a_spec_is_plain_data_and_part_of_label_and_key() -> None:
    method = resolve_method(parse(f"{LINE}(gain={{1.0, 0.5}})"))
    assert method.label == "walk.py:Line(gain={0.5, 1.0})"
    assert method.fields == {"gain": {"any of": [0.5, 1.0]}}
    assert [built.gain for built in method.candidates()] == [0.5, 1.0]
    with pytest.raises(UserError, match="has no field 'gian'"):
        resolve_method(parse(f"{LINE}(gian={{1.0, 0.5}})"))
    plans = [expand(Suite("s", "", (entry((WALK,), (m,), "tiny", 1),))) for m in (LINE, f"{LINE}(gain={{0.5, 1.0}})")]
    assert plans[0].runs[0].key != plans[1].runs[0].key == run_key(plans[1].runs[0].row)


def test_a_suite_lets_all_methods_of_an_entry_choose_and_keeps_their_labels(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    lines = f'tasks = ["{WALK}"]\nmethods = ["{LINE}", "fixed={LINE}(gain=2.0)"]\n'
    path.write_text(f'tier = "tiny"\nseeds = 1\n[[runs]]\n{lines}choose = {{ gain = [0.5, 1.0] }}\n')
    suite = load_suite(str(path))
    fields_of = {run.row["method"]: run.row["method_fields"] for run in expand(suite).runs}
    assert fields_of == {"walk.py:Line": '{"gain":{"any of":[0.5,1.0]}}', "fixed": '{"gain":2.0}'}
    path.write_text(f'tier = "tiny"\nseeds = 1\n[[runs]]\n{lines}choose = {{ gain = 0.5 }}\n')
    with pytest.raises(UserError, match=r"invalid choose = .*: expected lists of values by field"):
        load_suite(str(path))


def test_where_there_is_no_validation_data_a_tenth_of_the_measurements_chooses(tmp_path: Path) -> None:
    suite = Suite("s", "", (entry(("sensing/psd",), ("gd(step={0.001, 0.2})",), "tiny", 2, 200),))
    run(suite, store=tmp_path, engine="inline")
    for row in Store(tmp_path).rows().to_pylist():
        assert [c["chosen"] for c in row["candidates"]] == [False, True]
        assert row["primary"]["value"] < 0.1


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_rows_tell_what_was_chosen_and_run_again(tmp_path: Path, engine: Any) -> None:
    suite = Suite("s", "", (entry((WALK,), (LINE,), "tiny", 2, choose={"gain": (0.5, 1.0, 2.0)}),))
    run(suite, store=tmp_path, engine=engine, workers=1)
    rows = Store(tmp_path).rows().to_pylist()
    assert len(rows) == 2
    for row in rows:
        scores = {score["name"]: score["value"] for score in row["scores"]}
        assert (scores["fact.gain"], scores["fact.trials"], row["status"]) == (1.0, 3.0, "ok")
        assert scores["error"] < 1e-12
    if engine == "inline":
        once = rerun(rows[0], task=WALK, method=f"{LINE}(gain={{0.5, 1.0, 2.0}})")
        assert once["scores"] == rows[0]["scores"]


def test_a_row_of_the_catalog_that_chose_is_planned_again_with_its_key(tmp_path: Path) -> None:
    chosen = entry(("lds/sym_pos",), ("stu",), "tiny", 1, budget=1, choose={"rate": (0.003, 0.01)})
    run(Suite("s", "", (chosen,)), store=tmp_path, engine="inline")
    (row,) = Store(tmp_path).rows().to_pylist()
    assert (row["method"], row["status"]) == ("stu", "ok")
    assert rerun(row)["key"] == row["key"]


def test_the_text_of_a_spec_is_read_as_it_is_written() -> None:
    assert field_text("m", {"a": (1,), "b": (1, 2)}) == "m(a=(1,), b=(1, 2))"
    assert parse("m(a=(1,))").fields == {"a": (1,)}
    assert Spec("m", choices={"a": (3, 1, 2)}).label == "m(a={1, 2, 3})"
    assert parse("m(a=inf, b=-inf)").fields == {"a": math.inf, "b": -math.inf}
    for text in ("m(1)", "m(1, a=2)", "m(**a)"):
        with pytest.raises(UserError, match="cannot read"):
            parse(text)
    assert parse("m").is_bare
    assert not any(parse(text).is_bare for text in ("m(a=1)", "m(a={1, 2})", "n=m"))


def test_candidates_of_a_board_change_the_fields_and_get_a_quarter_of_the_budget() -> None:
    fields = with_candidates({"a": 1, "b": 2}, [{}, {"a": 3}])
    assert candidates(fields) == [{"a": 1, "b": 2}, {"a": 3, "b": 2}]
    assert (halved(fields), halved({"a": 1})) == (4, 1)
    assert most_seeds([("x", 3), ("x", 2), ("y", 1)]) == {"x": 3, "y": 1}
