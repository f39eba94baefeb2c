"""Tuning: the best on validation data goes on with the whole budget, and test data has no part in the choice."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from support import WALK, entry
from torch import Tensor

from dynamark.results.store import Store
from dynamark.runners.execute.answers import Answer
from dynamark.runners.execute.validation import trialed
from dynamark.runners.execute.worker import solve
from dynamark.runners.plan.suite import Suite
from dynamark.runners.registry import resolve_method, resolve_task, task_names
from dynamark.runners.run import run
from dynamark.runners.spec import parse
from dynamark.tasks.criteria import CRITERIA, judged
from dynamark.tasks.problems import (
    Estimate,
    Forecasting,
    ForecastingQuery,
    Online,
    OnlineQuery,
    Rollout,
    Run,
    Trajectories,
)


def chosen(answer: Answer) -> dict[str, Any]:
    (one,) = [c for c in answer.candidates if c["chosen"]]
    return one


@dataclass(frozen=True)
class Stepwise:
    """Adds `gain` to the last value at each step; takes training steps."""

    gain: float = 0.0
    fails: bool = False

    data_units: ClassVar[str] = "raw"

    def fit_forecaster(self, problem: Forecasting, run: Run) -> Stepwise:
        if self.fails:
            raise ValueError("refused")
        run.progress(run.limit(100), run.limit(100))
        return self

    def forecast(self, context: Trajectories, horizon: int, inputs: Tensor | None = None) -> Tensor:
        time = torch.arange(1, horizon + 1, dtype=torch.float64)[None, :, None]
        return context.observations[:, -1:] + self.gain * time


def ramp(slope: float) -> Forecasting:
    """x_t = 1 + slope t; one rollout of three steps."""
    path = (1 + slope * torch.arange(12, dtype=torch.float64))[None, :, None]
    paths = Trajectories(path)
    return Forecasting(paths, paths, 1, ForecastingQuery({"next": Rollout(Trajectories(path[:, :1]), 3)}))


def test_all_get_a_quarter_and_the_best_of_each_member_the_whole() -> None:
    methods = [Stepwise(), Stepwise(1.0), Stepwise(2.0), Stepwise(3.0)]
    answers = solve(methods, [ramp(2.0), ramp(0.0), ramp(3.0)], [[0], [1], [2]], budget=80, share=4)
    for answer, gain in zip(answers, (2.0, 0.0, 3.0), strict=True):
        assert answer.steps == 80
        assert [c["budget"] for c in answer.candidates] == [20] * 4
        assert chosen(answer)["fields"] == ("{}" if gain == 0 else f'{{"gain":{gain}}}')
        assert chosen(answer)["score"] == min(c["score"] for c in answer.candidates) == pytest.approx(0, abs=1e-28)
        np.testing.assert_allclose(np.diff(answer.arrays["forecast.next"][0, :, 0]), gain)
        assert answer.fit_seconds >= sum(c["seconds"] for c in answer.candidates)


def test_a_candidate_that_fails_loses_and_all_that_fail_are_an_error() -> None:
    (answer,) = solve([Stepwise(fails=True), Stepwise(1.0)], [ramp(1.0)], [[0]], budget=8, share=4)
    assert (answer.candidates[0]["score"], answer.candidates[0]["chosen"]) == (math.inf, False)
    with pytest.raises(ValueError, match="refused"):
        solve([Stepwise(fails=True), Stepwise(1.0, fails=True)], [ramp(1.0)], [[0]], budget=8, share=4)


TASKS = [
    "lds/sym_pos",
    "lds/sym_pos_noisy",
    "lds/delay_wn",
    "lds/rot_ahead",
    "lds/icl_sines",
    "lds/irregular",
    "koopman/duffing",
    "koopman/pendulum_delay",
    "koopman/pendulum64",
    "koopman/ou",
    "chaos/lorenz63",
    "chaos/lorenz63_x",
    "sensing/digits",
]
METHOD = {
    "lds": "arx(order={2, 20})",
    "koopman": "dmd(rank={0, 1})",
    "chaos": "ngrc(degree={1, 2, 3})",
    "koopman/ou": "edmd(size={1, 3})",
    "sensing": "sgd_full(rate={0.01, 0.1})",
}


def shuffled(value: Any) -> Any:
    """Every tensor of a query with its entries in another order."""
    if isinstance(value, Tensor):
        order = torch.randperm(value.numel(), generator=torch.Generator().manual_seed(1))
        return value.flatten()[order].reshape(value.shape)
    if isinstance(value, dict):
        return {name: shuffled(part) for name, part in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(
            value, **{f.name: shuffled(getattr(value, f.name)) for f in dataclasses.fields(value)}
        )
    return value


@pytest.mark.parametrize("name", TASKS)
def test_test_data_cannot_influence_the_choice(name: str) -> None:
    """Whatever the query holds, the same candidate is chosen by the same scores."""
    task = resolve_task(parse(name), "tiny")
    methods = resolve_method(parse(METHOD.get(name, METHOD[task.family]))).candidates()
    posed = task.problem(0)
    collected = []
    for problem in (posed, dataclasses.replace(posed, query=shuffled(posed.query))):
        (answer,) = solve(methods, [problem], [[0]], budget=20, criterion=task.criterion, share=4)
        collected.append([(c["fields"], c["score"], c["chosen"]) for c in answer.candidates])
    assert collected[0] == collected[1]
    assert len({score for _, score, _ in collected[0] if score < math.inf}) > 1


def test_every_task_names_a_criterion_as_plain_data() -> None:
    for name in task_names():
        criterion = resolve_task(parse(name), "tiny").criterion
        assert criterion["name"] in CRITERIA
        assert json.loads(json.dumps(criterion)) == criterion


def test_an_attractor_is_judged_by_its_free_run_and_not_by_one_step() -> None:
    """Persistence is within a few per cent one step ahead, and a fixed point in the long run."""

    @dataclass
    class Replayed:
        path: Tensor

        def forecast(self, context: Trajectories, horizon: int, inputs: Tensor | None = None) -> Tensor:
            return self.path[:, :horizon]

    task = resolve_task(parse("chaos/lorenz63"), "tiny")
    problem = task.problem(0)
    other = task.problem(1).train.observations[:, :4000]
    still = problem.validation.observations[:, 100:101].expand(-1, 4000, -1)
    far, near = (judged(task.criterion, Replayed(path), problem) for path in (still, other))
    assert near < 0.7 * far


def test_a_kept_measurement_is_in_neither_part_twice_and_operators_stay_isometric() -> None:
    for name in ("sensing/asymmetric", "sensing/completion", "sensing/structured"):
        problem = resolve_task(parse(name), "tiny").problem(0)
        (part,) = trialed([dataclasses.replace(problem, query=None)], {"name": "relative_error"})
        assert len(part.problem.y) == len(problem.y) - len(problem.y) // 10
        x = torch.randn(problem.operator.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        ratio = part.problem.operator.forward(x).square().sum() / problem.operator.forward(x).square().sum()
        assert float(ratio) == pytest.approx(1, abs=0.1)
        assert not part.whole


@dataclass(frozen=True)
class Counting:
    """Estimates a constant matrix, and says how many measurements it was given. It takes no steps."""

    size: float = 0.0

    def fit_estimate(self, problem: Any, run: Run) -> Estimate:
        run.fact("measurements", len(problem.y))
        return Estimate((self.size * torch.ones(problem.operator.shape, dtype=torch.float64),), "dense")


def test_what_competed_on_a_part_of_the_data_is_fitted_again_to_all_of_it() -> None:
    problem = resolve_task(parse("sensing/asymmetric"), "tiny").problem(0)
    (answer,) = solve([Counting(), Counting(5.0)], [problem], [[0]])
    assert answer.facts["measurements"] == len(problem.y)
    assert chosen(answer)["fields"] == "{}"


@dataclass(frozen=True)
class Constant:
    value: float = 0.0

    def fit_learner(self, problem: Online, run: Run) -> Constant:
        return self

    def predict(self, inputs: Tensor) -> Tensor:
        return torch.full((len(inputs), 1), self.value, dtype=torch.float64)

    def update(self, outputs: Tensor) -> None:
        pass


def test_online_the_first_eighth_of_the_stream_chooses_and_nothing_later() -> None:
    outputs = torch.cat([torch.ones(1, 4, 1), -torch.ones(1, 28, 1)], dim=1).double()
    problem = Online(1, 1, 32, OnlineQuery(torch.zeros(1, 32, 1, dtype=torch.float64), outputs))
    (answer,) = solve([Constant(), Constant(1.0), Constant(-1.0)], [problem], [[0]], share=4)
    assert chosen(answer)["fields"] == '{"value":1.0}'
    assert answer.arrays["prediction"][0, :, 0].tolist() == [0.0] * 4 + [1.0] * 28
    assert [c["score"] for c in answer.candidates] == [4.0, 0.0, 16.0]


def test_online_an_answer_of_nan_never_wins() -> None:
    outputs = torch.ones(1, 16, 1, dtype=torch.float64)
    problem = Online(1, 1, 16, OnlineQuery(torch.zeros(1, 16, 1, dtype=torch.float64), outputs))
    (answer,) = solve([Constant(), Constant(math.nan), Constant(2.0)], [problem], [[0]], share=4)
    assert [c["score"] for c in answer.candidates] == [2.0, math.inf, 2.0]
    assert answer.candidates[0]["chosen"]


def test_a_small_budget_leaves_a_step_for_each_candidate() -> None:
    (answer,) = solve([Stepwise(), Stepwise(1.0)], [ramp(1.0)], [[0]], budget=3, share=4)
    assert [c["budget"] for c in answer.candidates] == [1, 1]
    assert answer.steps == 3


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_rows_hold_candidates_whatever_the_neighbors(tmp_path: Path, engine: Any) -> None:
    tuned = entry(("koopman/duffing",), ("edmd",), "tiny", 3, candidates=4)
    run(Suite("s", "", (tuned,)), store=tmp_path / "three", engine=engine, workers=1)
    run(Suite("s", "", (tuned,)), seeds=[1], store=tmp_path / "one", engine=engine, workers=1)
    rows = Store(tmp_path / "three").rows().to_pylist()
    assert all(len(row["candidates"]) == 4 and sum(c["chosen"] for c in row["candidates"]) == 1 for row in rows)
    (alone,) = Store(tmp_path / "one").rows().to_pylist()
    (same,) = [row for row in rows if row["seed"] == 1]
    assert (alone["key"], alone["scores"]) == (same["key"], same["scores"])
    assert [c["score"] for c in alone["candidates"]] == [c["score"] for c in same["candidates"]]
    run(Suite("s", "", (entry((WALK,), ("persistence",), "tiny", 1, candidates=4),)), store=tmp_path / "none")
    assert Store(tmp_path / "none").rows().to_pylist()[0]["candidates"] is None


def test_a_model_that_cannot_start_from_rest_is_judged_on_a_sample_at_rest() -> None:
    seen: list[int] = []

    @dataclass
    class Watching:
        def forecast(self, context: Trajectories, horizon: int, inputs: Tensor | None = None) -> Tensor:
            seen.append(context.observations.shape[1])
            return torch.zeros(len(context), horizon, context.dim, dtype=torch.float64)

    task = resolve_task(parse("lds/sym_pos"), "tiny")
    problem = dataclasses.replace(task.problem(0), query=None)
    for from_rest in (False, True):
        (part,) = trialed([problem], task.criterion, from_rest)
        assert part.judge(Watching()) == pytest.approx(1)
    assert seen == [1, 0]
