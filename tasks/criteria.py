"""How a model is judged on validation data: the task's primary score, as far as validation data can tell it.

A task names its criterion and the criterion's parameters (`Task.criterion`); a function here computes it from a fitted model
and a problem without its query, so that test data cannot have a part in it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from dynamark.tasks.chaos import metrics as attractors
from dynamark.tasks.koopman import metrics as flows
from dynamark.tasks.problems import Forecasting, HasSpectrum, Prediction, Trajectories

__all__ = ["CRITERIA", "Criterion", "judged", "relative_error"]

# A name of `CRITERIA` under "name", and the arguments of its function.
Criterion = Mapping[str, Any]

# Pairs at most on which a spectrum is judged, and steps at most of a free run.
_PAIRS, _FREE = 5000, 25_000
# Origins from which few validation trajectories are continued, and standard deviations beyond which a free run has escaped.
_ORIGINS, _ESCAPED = 10, 10.0
# Channels up to which cells can be filled.
_CELLS_UP_TO = 3


def judged(criterion: Criterion, model: Any, problem: Prediction | Forecasting) -> float:
    """The criterion of a model on the problem's validation data; infinite if it is not a number."""
    options = {name: value for name, value in criterion.items() if name != "name"}
    with torch.no_grad():
        error = CRITERIA[criterion["name"]](model, problem, **options)
    return math.inf if math.isnan(error) else float(error)


def relative_error(model: Any, problem: Prediction | Forecasting, start: int = 0) -> float:
    """mean |answer - y|^2 / mean |y|^2 over the validation sequences, from `start` on.

    A predictor answers one step ahead, where outputs were seen; a forecaster continues each sequence after its context, which is
    at most half of it.
    """
    validation = problem.validation
    if isinstance(problem, Prediction):
        answer, truth = model.predict(validation, (1,))[0][:, start:], validation.observations[:, start:]
        if validation.seen is not None:
            answer, truth = answer[validation.seen[:, start:]], truth[validation.seen[:, start:]]
    else:
        length = validation.observations.shape[1]
        context = min(problem.context, length // 2)
        answer = _continued(model, validation, context, length - context)[:, start:]
        truth = validation.observations[:, context + start :]
    return float((answer - truth).double().square().mean() / truth.double().square().mean())


def _horizons(model: Any, problem: Forecasting, horizons: Sequence[int], floor: float) -> float:
    """The geometric mean over horizons of the relative squared error, from several origins of each validation sequence."""
    validation, longest = problem.validation, max(horizons)
    last = validation.observations.shape[1] - longest
    origins = np.unique(np.linspace(min(problem.context, last), last, _ORIGINS).astype(int))
    pairs = [
        (_continued(model, validation, int(o), longest), validation.observations[:, int(o) : int(o) + longest])
        for o in origins
    ]
    squared = torch.stack([(answer - truth).double().square().mean(dim=(0, 2)) for answer, truth in pairs]).mean(dim=0)
    power = validation.observations.double().square().mean()
    chosen = (squared / power)[[h - 1 for h in horizons]]
    return float(chosen.clamp(min=floor).log().mean().exp())


def _flow(model: Any, problem: Forecasting, horizon: int) -> float:
    """The mean of nrmse over the steps ahead, up to `horizon`, in units of the training data's standard deviation.

    Few validation trajectories are continued from several origins in their first half.
    """
    validation, train = problem.validation, _plain(problem.train.observations)
    count, length = validation.observations.shape[:2]
    origins = [problem.context]
    if count < _ORIGINS:
        latest = max(problem.context, length // 2)
        origins = np.unique(np.linspace(problem.context, latest, -(-_ORIGINS // count)).astype(int)).tolist()
    steps = min(horizon, length - max(origins))
    answer = torch.cat([_continued(model, validation, origin, steps) for origin in origins])
    truth = torch.cat([validation.observations[:, origin : origin + steps] for origin in origins])
    flat = train.reshape(-1, train.shape[2])
    gap = flows.deviation(_plain(truth), _plain(answer), flat.mean(axis=0), flat.std(axis=0))
    return float(flows.nrmse(gap.error).mean())


def _divergence(model: Any, problem: Forecasting) -> float:
    """D_stsp of a free run from the begin of the validation trajectory, of which the first fifth is dropped.

    A run that escapes counts as a fixed point at the mean, as where test data is scored.
    """
    validation = problem.validation
    truth = _plain(validation.observations)[0]
    steps = min(len(truth) * 5 // 4, _FREE)
    free = _plain(_continued(model, validation, problem.context, steps))[0, steps // 5 :]
    if not (np.abs(free) <= _ESCAPED).all():
        free = np.zeros_like(free) + truth.mean(axis=0)
    if truth.shape[1] == 1:
        lag = attractors.delay(truth)
        truth, free = attractors.embedded(truth, lag), attractors.embedded(free, lag)
    measure = attractors.state_space_divergence if truth.shape[1] <= _CELLS_UP_TO else attractors.mixture_divergence
    return measure(truth, free)


def _spectrum(model: Any, problem: Forecasting) -> float:
    """How well the eigenpairs predict: mean over observables f of |f(x+) - sum_k c_k lambda_k phi_k(x)|^2 / var f.

    The true spectrum is not to be had from data, so that the primary score cannot be computed on validation data. c is fitted on
    training states; the observables are powers and waves of the standardized state. A model without a spectrum scores 1.
    """
    if not isinstance(model, HasSpectrum):
        return 1.0
    train, validation = (_pairs(part) for part in (problem.train, problem.validation))
    mean, scale = train[0].mean(axis=0), train[0].std(axis=0)

    def observed(x: ndarray) -> ndarray:
        z = np.clip((x - mean) / scale, -3, 3)
        return np.concatenate([z, z**2, z**3, np.sin(2 * z), np.cos(2 * z)], axis=1)

    values = _plain(model.eigenvalues())
    at_train, at_held = (_plain(model.eigenfunctions(torch.from_numpy(x[:, None]))) for x, _ in (train, validation))
    truth = observed(validation[1])
    if not (np.isfinite(values).all() and np.isfinite(at_train).all() and np.isfinite(at_held).all()):
        return math.inf
    weights = np.linalg.lstsq(at_train.astype(complex), observed(train[0]).astype(complex), rcond=1e-10)[0]
    guess = ((at_held * values) @ weights).real
    return float(np.mean(np.mean((truth - guess) ** 2, axis=0) / truth.var(axis=0)))


def _pairs(paths: Trajectories) -> tuple[ndarray, ndarray]:
    """States and their successors, evenly thinned."""
    x = _plain(paths.observations)
    before, after = (part.reshape(-1, x.shape[2]) for part in (x[:, :-1], x[:, 1:]))
    every = -(-len(before) // _PAIRS)
    return before[::every], after[::every]


def _continued(model: Any, paths: Trajectories, context: int, steps: int) -> Tensor:
    """The forecast of each trajectory after its first samples."""
    inputs = None if paths.inputs is None else paths.inputs[:, context : context + steps]
    answer: Tensor = model.forecast(_until(paths, context), steps, inputs)
    return answer


def _until(paths: Trajectories, time: int) -> Trajectories:
    """The first samples."""
    parts: dict[str, Any] = {f.name: getattr(paths, f.name) for f in dataclasses.fields(paths)}
    parts |= {name: part[:, :time] for name, part in parts.items() if isinstance(part, Tensor)}
    return Trajectories(**parts)


def _plain(value: Tensor) -> ndarray:
    array: ndarray = value.detach().cpu().resolve_conj().numpy()
    return array.astype(complex if array.dtype.kind == "c" else float)


CRITERIA: Mapping[str, Callable[..., float]] = {
    "relative_error": relative_error,
    "horizons": _horizons,
    "flow": _flow,
    "divergence": _divergence,
    "spectrum": _spectrum,
}
