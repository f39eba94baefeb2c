"""Validation criteria: estimates of the primary score of a task from validation data, for the selection of hyper-parameters.

A task defines the name and the arguments of its criterion (`Task.criterion`). A function of this module computes it from a
fitted model and a problem without its query, so that test data cannot influence the selection.
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
from dynamark.tasks.numerics.distributions import energy_score
from dynamark.tasks.problems import Forecasting, HasSample, HasSpectrum, Prediction, Trajectories

__all__ = ["CRITERIA", "Criterion", "judged", "relative_error"]

# A key of `CRITERIA` under "name", and the arguments of its function.
Criterion = Mapping[str, Any]

# Maximum number of pairs of states for `_spectrum`, and maximum number of steps of a free run.
_PAIRS, _FREE = 5000, 25_000
# Number of forecast origins if there are few validation trajectories; |z| above which a free run counts as diverged.
_ORIGINS, _ESCAPED = 10, 10.0
# Number of forecast origins of each validation trajectory for `_energy`.
_STARTS = 4
# Largest number of channels for D_stsp by binning.
_CELLS_UP_TO = 3


def judged(criterion: Criterion, model: Any, problem: Prediction | Forecasting) -> float:
    """The criterion of a model on the validation data of the problem; infinity instead of NaN."""
    options = {name: value for name, value in criterion.items() if name != "name"}
    with torch.no_grad():
        error = CRITERIA[criterion["name"]](model, problem, **options)
    return math.inf if math.isnan(error) else float(error)


def relative_error(model: Any, problem: Prediction | Forecasting, start: int = 0) -> float:
    """mean |prediction - y|^2 / mean |y|^2 over the validation sequences, from index `start` on.

    A predictor predicts one step ahead, scored at observed outputs; a forecaster continues each sequence after its context, which
    is at most half of the sequence.
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


def _scaled_error(model: Any, problem: Prediction, start: int = 0) -> float:
    """Root mean squared error in standard deviations of the training data, one step ahead, from index `start` on.

    At most the first quarter of the validation sequences is left out.
    """
    validation = problem.validation
    start = min(start, validation.observations.shape[1] // 4)
    scale = problem.train.observations.double().flatten(0, 1).std(dim=0, correction=0)
    answer, truth = model.predict(validation, (1,))[0][:, start:], validation.observations[:, start:]
    return float(((answer - truth).double() / scale).square().mean().sqrt())


def _horizons(model: Any, problem: Forecasting, horizons: Sequence[int], floor: float) -> float:
    """Geometric mean over horizons of the relative squared error, averaged over several origins per validation sequence."""
    validation, longest = problem.validation, max(horizons)
    last = validation.observations.shape[1] - longest
    origins = np.unique(np.linspace(min(problem.context, last), last, _ORIGINS).astype(int))
    pairs = [
        (_continued(model, validation, int(o), longest), validation.observations[:, int(o) : int(o) + longest])
        for o in origins
    ]
    squared = torch.stack([(answer - truth).double().square().mean(dim=(0, 2)) for answer, truth in pairs]).mean(dim=0)
    mean_square = validation.observations.double().square().mean()
    chosen = (squared / mean_square)[[h - 1 for h in horizons]]
    return float(chosen.clamp(min=floor).log().mean().exp())


def _flow(model: Any, problem: Forecasting, horizon: int) -> float:
    """Mean NRMSE over the forecast steps up to `horizon`, in units of the standard deviation of the training data.

    If there are few validation trajectories, each is continued from several origins in its first half.
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


def _energy(model: Any, problem: Forecasting, horizon: int, draws: int) -> float:
    """Mean energy score over validation trajectories, each continued from several origins, in training standard deviations.

    A model without `sample` is one draw.
    """
    validation, train = problem.validation, _plain(problem.train.observations)
    last = max(problem.context, validation.observations.shape[1] - horizon)
    origins = np.unique(np.linspace(problem.context, last, _STARTS).astype(int)).tolist()
    generator, sd = torch.Generator().manual_seed(0), train.reshape(-1, train.shape[2]).std(axis=0)
    scores = []
    for origin in origins:
        steps = min(horizon, validation.observations.shape[1] - origin)
        if isinstance(model, HasSample):
            inputs = None if validation.inputs is None else validation.inputs[:, origin : origin + steps]
            answer = model.sample(_until(validation, origin), steps, draws, generator, inputs)
        else:
            answer = _continued(model, validation, origin, steps)[:, None]
        truth = validation.observations[:, origin : origin + steps]
        scores.append(energy_score(_plain(answer) / sd, _plain(truth) / sd).mean())
    return float(np.mean(scores))


def _divergence(model: Any, problem: Forecasting) -> float:
    """D_stsp of a free run from the start of the validation trajectory, after the first fifth of the run is discarded.

    A run that diverges is replaced by a fixed point at the mean, as in the scoring of test data.
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
    """Prediction error of the eigenpairs: mean over observables f of |f(x+) - sum_k c_k lambda_k phi_k(x)|^2 / var f.

    A substitute for the primary score, which needs the true spectrum. The coefficients c are fitted on training states; the
    observables are z, z^2, z^3, sin 2z and cos 2z of the standardized state z. A model without a spectrum scores 1.
    """
    if not isinstance(model, HasSpectrum):
        return 1.0
    train, validation = (_pairs(part) for part in (problem.train, problem.validation))
    mean, scale = train[0].mean(axis=0), train[0].std(axis=0)

    def observed(x: ndarray) -> ndarray:
        z = np.clip((x - mean) / scale, -3, 3)
        return np.concatenate([z, z**2, z**3, np.sin(2 * z), np.cos(2 * z)], axis=1)

    values = _plain(model.eigenvalues())
    at_train, at_validation = (
        _plain(model.eigenfunctions(torch.from_numpy(x[:, None]))) for x, _ in (train, validation)
    )
    truth = observed(validation[1])
    if not (np.isfinite(values).all() and np.isfinite(at_train).all() and np.isfinite(at_validation).all()):
        return math.inf
    weights = np.linalg.lstsq(at_train.astype(complex), observed(train[0]).astype(complex), rcond=1e-10)[0]
    guess = ((at_validation * values) @ weights).real
    return float(np.mean(np.mean((truth - guess) ** 2, axis=0) / truth.var(axis=0)))


def _pairs(paths: Trajectories) -> tuple[ndarray, ndarray]:
    """States and their successors [pair, dim], evenly subsampled to at most `_PAIRS`."""
    x = _plain(paths.observations)
    before, after = (part.reshape(-1, x.shape[2]) for part in (x[:, :-1], x[:, 1:]))
    every = -(-len(before) // _PAIRS)
    return before[::every], after[::every]


def _continued(model: Any, paths: Trajectories, context: int, steps: int) -> Tensor:
    """The forecast of `steps` steps of each trajectory after its first `context` samples."""
    inputs = None if paths.inputs is None else paths.inputs[:, context : context + steps]
    answer: Tensor = model.forecast(_until(paths, context), steps, inputs)
    return answer


def _until(paths: Trajectories, time: int) -> Trajectories:
    """The first `time` samples of each trajectory."""
    parts: dict[str, Any] = {f.name: getattr(paths, f.name) for f in dataclasses.fields(paths)}
    parts |= {name: part[:, :time] for name, part in parts.items() if isinstance(part, Tensor)}
    return Trajectories(**parts)


def _plain(value: Tensor) -> ndarray:
    array: ndarray = value.detach().cpu().resolve_conj().numpy()
    return array.astype(complex if array.dtype.kind == "c" else float)


CRITERIA: Mapping[str, Callable[..., float]] = {
    "relative_error": relative_error,
    "scaled_error": _scaled_error,
    "horizons": _horizons,
    "flow": _flow,
    "divergence": _divergence,
    "spectrum": _spectrum,
    "energy": _energy,
}
