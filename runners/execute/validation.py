"""What a candidate is judged on, of each kind of problem: validation data, or a part of the data that is kept from it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from dynamark.tasks.contract import resting
from dynamark.tasks.criteria import Criterion, judged
from dynamark.tasks.numerics.operators import DenseOperator, HadamardOperator, SampledOperator
from dynamark.tasks.problems import Estimate, Forecasting, Recovery, Training, Trajectories

__all__ = ["Trialed", "trialed"]

# Every so many measurements, and labeled samples, one is kept from the candidates.
_EVERY = {Recovery: 10, Training: 5}
# The weight of the cross entropy, which decides between candidates with as many errors.
_TIE = 1e-6


@dataclasses.dataclass(frozen=True)
class Trialed:
    """What candidates are fitted to, and what a fitted one is judged by: the smaller the better.

    whole: whether candidates see all data, so that a fit on it need not be done again.
    """

    problem: Any
    judge: Callable[[Any], float]
    whole: bool


def trialed(problems: Sequence[Any], criterion: Criterion, from_rest: bool = True) -> list[Trialed]:
    """For each problem, which comes without its query, what its candidates are put to.

    from_rest: whether models start from an empty context; others are shown a sample at rest, as where their query is asked.
    """
    if isinstance(problems[0], Recovery):
        return _kept_measurements(problems)
    if isinstance(problems[0], Training):
        return [_kept_samples(problem) for problem in problems]
    return [Trialed(p, _by_validation_data(criterion, p, from_rest), whole=True) for p in problems]


def _by_validation_data(criterion: Criterion, problem: Any, from_rest: bool) -> Callable[[Any], float]:
    rests = isinstance(problem, Forecasting) and problem.context == 0 and not from_rest
    return lambda model: judged(criterion, _Rested(model) if rests else model, problem)


class _Rested:
    """A forecaster that is shown a sample at rest instead of nothing."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def forecast(self, context: Trajectories, horizon: int, inputs: Tensor | None = None) -> Tensor:
        answer: Tensor = self._model.forecast(resting(context), horizon, inputs)
        return answer


def _kept_measurements(problems: Sequence[Recovery]) -> list[Trialed]:
    """A tenth of the measurements is kept; problems that share an operator share its part.

    Recovery has no validation data, and X* is what is asked for: the relative residual of what was not fitted takes its place.
    """
    parts: dict[int, tuple[Any, Any]] = {}
    trials = []
    for problem in problems:
        m = len(problem.y)
        left_out = torch.arange(m) % _EVERY[Recovery] == _EVERY[Recovery] - 1
        scale = math.sqrt(m / int((~left_out).sum()))
        if id(problem.operator) not in parts:
            parts[id(problem.operator)] = (
                _restricted(problem.operator, ~left_out),
                _restricted(problem.operator, left_out),
            )
        seen, unseen = parts[id(problem.operator)]
        target = problem.y[left_out] * math.sqrt(m / int(left_out.sum()))

        def residual(estimate: Estimate, unseen: Any = unseen, target: Tensor = target) -> float:
            return float((_measured(unseen, estimate) - target).norm() / target.norm())

        part = dataclasses.replace(problem, operator=seen, y=problem.y[~left_out] * scale)
        trials.append(Trialed(part, _finite(residual), whole=False))
    return trials


def _restricted(operator: Any, chosen: Tensor) -> Any:
    """The operator with some of its measurements, scaled so that E A*A stays what it was."""
    scale = math.sqrt(len(chosen) / int(chosen.sum()))
    if isinstance(operator, DenseOperator):
        return dataclasses.replace(operator, rows=operator.rows[chosen] * scale)
    if isinstance(operator, HadamardOperator):  # it divides by the root of its number of measurements
        return dataclasses.replace(operator, places=operator.places[chosen])
    if isinstance(operator, SampledOperator):
        row, column = operator.row[chosen], operator.column[chosen]
        return dataclasses.replace(operator, row=row, column=column, scale=operator.scale * scale)
    raise TypeError(
        f"the measurements of {type(operator).__name__} cannot be parted, so that nothing can be tuned on them"
    )


def _measured(operator: Any, estimate: Estimate) -> Tensor:
    first, *rest = estimate.factors
    if estimate.form == "dense":
        return _plain(operator.forward(first))
    return _plain(operator.product(first, rest[0] if rest else first))


def _plain(measured: Tensor) -> Tensor:
    return measured.detach()


def _kept_samples(problem: Training) -> Trialed:
    """A fifth of the labeled samples is kept; the share of errors on it, cross entropy where that is equal."""
    left_out = torch.arange(len(problem.labels)) % _EVERY[Training] == _EVERY[Training] - 1
    part = dataclasses.replace(problem, inputs=problem.inputs[~left_out], labels=problem.labels[~left_out])

    def errors(network: Any) -> float:
        logits, labels = network.logits(problem.inputs[left_out]).double(), problem.labels[left_out]
        surprise = float(torch.nn.functional.cross_entropy(logits, labels))
        return float((logits.argmax(dim=1) != labels).double().mean()) + _TIE * surprise

    return Trialed(part, _finite(errors), whole=False)


def _finite(score: Callable[[Any], float]) -> Callable[[Any], float]:
    """NaN counts as infinite."""

    def safe(model: Any) -> float:
        with torch.no_grad():
            value = score(model)
        return math.inf if math.isnan(value) else value

    return safe
