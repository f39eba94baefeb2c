"""Models are asked their query; wrong shapes and types, and looking ahead, are refused in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from dynamark.runners.execute.answers import BadAnswer, ask
from dynamark.runners.execute.worker import failure, parameter_count, solve
from dynamark.tasks.numerics.operators import DenseOperator
from dynamark.tasks.problems import (
    Estimate,
    Forecasting,
    ForecastingQuery,
    Online,
    OnlineQuery,
    Prediction,
    PredictionQuery,
    Recovery,
    Rollout,
    Run,
    Training,
    TrainingQuery,
    Trajectories,
)

DRAW = torch.Generator().manual_seed(0)
PATHS = Trajectories(torch.randn(3, 40, 2, generator=DRAW, dtype=torch.float64), torch.randn(3, 40, 1, generator=DRAW))
PREDICTION = Prediction(PATHS, PATHS, PredictionQuery(PATHS, (1, 3)))


@dataclass
class Predicts:
    how: Callable[[Trajectories, int], torch.Tensor]

    def predict(self, sequences: Trajectories, horizons: tuple[int, ...] = (1,)) -> torch.Tensor:
        return torch.stack([self.how(sequences, h) for h in horizons])


def shifted(x: torch.Tensor, by: int) -> torch.Tensor:
    """Entry t is x_{t-by}, zero where that is before the start; negative `by` looks ahead."""
    out = torch.zeros_like(x)
    if by >= 0:
        out[:, by:] = x[:, : x.shape[1] - by]
    else:
        out[:, :by] = x[:, -by:]
    return out


def test_the_last_output_and_the_inputs_up_to_the_target_may_be_used() -> None:
    honest = Predicts(lambda s, h: shifted(s.observations, 1))
    assert ask(honest, PREDICTION, Run())["prediction"].shape == (2, 3, 40, 2)
    assert PATHS.inputs is not None
    inputs = Predicts(lambda s, h: shifted(s.inputs, -(h - 1)).expand(-1, -1, 2).double())  # type: ignore[arg-type]
    assert ask(inputs, PREDICTION, Run())["prediction"].shape == (2, 3, 40, 2)


@pytest.mark.parametrize(
    "how",
    [
        lambda s, h: s.observations,  # the output of the step itself
        lambda s, h: shifted(s.inputs, -h).expand(-1, -1, 2).double(),  # an input after the target
        lambda s, h: s.observations - s.observations.mean(dim=1, keepdim=True),
    ],
    ids=["own output", "later input", "mean of the whole"],
)
def test_looking_ahead_is_refused(how: Any) -> None:
    with pytest.raises(BadAnswer, match="the method looks ahead"):
        ask(Predicts(how), PREDICTION, Run())


def test_a_convolution_by_fft_passes() -> None:
    """Its rounding depends on later values; that is no foresight."""

    def smooth(s: Trajectories, h: int) -> torch.Tensor:
        kernel = 0.9 ** torch.arange(40, dtype=torch.float64)
        past = torch.fft.rfft(shifted(s.observations, 1), 80, dim=1)
        return torch.fft.irfft(past * torch.fft.rfft(kernel, 80)[None, :, None], 80, dim=1)[:, :40]

    assert np.isfinite(ask(Predicts(smooth), PREDICTION, Run())["prediction"]).all()


def test_online_learners_see_each_output_after_their_answer() -> None:
    inputs, outputs = torch.randn(2, 6, 1, generator=DRAW), torch.randn(2, 6, 2, generator=DRAW)

    class Last:
        def __init__(self) -> None:
            self.seen = torch.zeros(2, 2)

        def predict(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.seen

        def update(self, outputs: torch.Tensor) -> None:
            self.seen = outputs

    answer = ask(Last(), Online(1, 2, 6, OnlineQuery(inputs, outputs)), Run())["prediction"]
    np.testing.assert_array_equal(answer[:, 1:], outputs[:, :-1])
    assert not answer[:, 0].any()


def test_wrong_answers_are_told_in_words() -> None:
    query = ForecastingQuery({"next": Rollout(Trajectories(PATHS.observations), 5)})
    problem = Forecasting(PATHS, PATHS, 1, query)

    @dataclass
    class Says:
        what: Any

        def forecast(self, context: Trajectories, horizon: int, inputs: Any = None) -> Any:
            return self.what

    for what, message in (
        (torch.zeros(3, 4, 2), r"forecast 'next': wanted shape \(3, 5, 2\), got \(3, 4, 2\)"),
        ("rain", "wanted a tensor of real floating-point numbers, got str"),
        (torch.zeros(3, 5, 2, dtype=torch.long), "got an array of int64"),
        (None, "got NoneType"),
    ):
        with pytest.raises(BadAnswer, match=message):
            ask(Says(what), problem, Run())


RECOVERY = Recovery(DenseOperator(torch.randn(9, 12, generator=DRAW), (4, 3)), torch.randn(9, generator=DRAW), False)


def test_estimates_leave_factors_form_and_snapshots() -> None:
    run = Run()
    run.snapshot(3, (torch.ones(4, 2), torch.ones(3, 2)))
    answer = ask(Estimate((torch.zeros(4, 2), torch.zeros(3, 2)), "product"), RECOVERY, run)
    assert set(answer) == {"factor.0", "factor.1", "form", "snapshot.3.0", "snapshot.3.1"}


@pytest.mark.parametrize(
    "estimate",
    [
        Estimate((torch.zeros(4, 2), torch.zeros(3, 1)), "product"),
        Estimate((torch.zeros(3, 2), torch.zeros(4, 2)), "product"),
        Estimate((torch.zeros(4, 2),), "symmetric"),
        Estimate((torch.zeros(3, 4),), "dense"),
    ],
)
def test_factors_that_do_not_fit_are_refused(estimate: Estimate) -> None:
    with pytest.raises(BadAnswer, match="an estimate of form"):
        ask(estimate, RECOVERY, Run())


def test_what_is_no_estimate_is_refused() -> None:
    with pytest.raises(BadAnswer, match="wanted an Estimate, got Tensor"):
        ask(torch.zeros(4, 3), RECOVERY, Run())


def test_networks_answer_held_out_inputs() -> None:
    class Net:
        def logits(self, inputs: torch.Tensor) -> torch.Tensor:
            return inputs @ torch.ones(4, 3)

    problem = Training(
        torch.zeros(5, 4), torch.zeros(5, dtype=torch.long), (4, 3), query=TrainingQuery(torch.ones(2, 4))
    )
    np.testing.assert_array_equal(ask(Net(), problem, Run())["logits"], np.full((2, 3), 4.0))


def test_a_method_does_not_see_the_query_while_it_fits() -> None:
    @dataclass(frozen=True)
    class Curious:
        def fit_predictor(self, problem: Prediction, run: Run) -> Predicts:
            assert problem.query is None
            return Predicts(lambda s, h: shifted(s.observations, 1))

    (answer,) = solve([Curious()], [PREDICTION], [[0]])
    assert answer.arrays["prediction"].shape == (2, 3, 40, 2)


def test_a_plural_that_returns_too_few_models_is_told() -> None:
    class Few:
        def fit_predictors(self, problems: list[Prediction], runs: list[Run]) -> list[Predicts]:
            return []

    with pytest.raises(BadAnswer, match="fit_predictors returned 0 models for 2 problems"):
        solve([Few()], [PREDICTION], [[0]])


def test_parameters_are_counted() -> None:
    assert parameter_count(torch.nn.Linear(3, 2)) == 8
    assert parameter_count(object()) is None

    class Says:
        def parameter_count(self) -> int:
            return 5

    assert parameter_count(Says()) == 5


def test_exceptions_become_a_status_and_one_line() -> None:
    assert failure(MemoryError()).status == "out_of_memory"
    assert failure(RuntimeError("DefaultCPUAllocator: not enough memory")).status == "out_of_memory"
    cause = failure(ValueError("first\nsecond"))
    assert (cause.status, cause.reason) == ("error", "ValueError: first")
    assert failure(BadAnswer("looks ahead")).reason == "looks ahead"
