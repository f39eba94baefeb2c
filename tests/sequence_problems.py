"""What the tests of sequence layers share: a system of one state and models of it, decays over irregular gaps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from dynamark.methods.sequence.stack import SequenceMethod, SequenceModel
from dynamark.tasks.problems import Forecasting, Prediction, Run, Trajectories


def paths(count: int, seed: int, time: int = 32, pole: float = 0.9) -> Trajectories:
    """y_t = pole y_{t-1} + u_t / 2."""
    u = torch.from_numpy(np.random.default_rng(seed).standard_normal((count, time, 1)))
    y = torch.zeros_like(u)
    for t in range(time):
        y[:, t] = (pole * y[:, t - 1] if t else 0) + 0.5 * u[:, t]
    return Trajectories(y, u)


def decays(count: int, seed: int, time: int = 10) -> tuple[Trajectories, float]:
    """y_t = y_{t-1} e^{-gap} at odd times, noise at even ones; and the error of y_{t-1}/2, best of what ignores the gap."""
    draw = np.random.default_rng(seed)
    gaps = torch.from_numpy(draw.exponential(size=(count, time)))
    y = torch.from_numpy(draw.standard_normal((count, time, 1)))
    y[:, 1::2] = y[:, ::2] * torch.exp(-gaps[:, 1::2, None])
    return Trajectories(y, gaps=gaps), float((y[:, 1::2] - y[:, ::2] / 2).square().mean())


def blind_and_sighted(method: SequenceMethod, seeds: int = 4) -> tuple[list[float], list[float]]:
    """Errors on `decays`, relative to the best that ignores the gap, of members trained without and with the gap.

    Of 18 seeds of a CfC layer and of a GRU: .1 to .5 with the gap (mean .25, standard deviation .1), 1.06 to 1.5 without it.
    """
    (train, _), (validation, _), (test, best) = decays(256, 0), decays(64, 1), decays(64, 2)
    errors = []
    for blind in (True, False):
        problems, runs = [Prediction(train, validation)] * seeds, [Run((seed,)) for seed in range(seeds)]
        models = replace(method, blind=blind).fit_predictors(problems, runs)
        answers = [model.predict(test)[0] for model in models]
        errors.append([float((a - test.observations)[:, 1::2].square().mean()) / best for a in answers])
    return errors[0], errors[1]


def simulators(method: SequenceMethod, members: int = 2, **system: Any) -> list[SequenceModel]:
    """Models of a cohort, each of its own paths."""
    problems = [Forecasting(paths(16, k, **system), paths(4, 10 + k, **system), context=0) for k in range(members)]
    return method.fit_forecasters(problems, [Run((k,)) for k in range(members)])


def typical_error(method: SequenceMethod, time: int = 32, seeds: int = 7, **system: Any) -> float:
    """The median over seeds of the error of simulating new paths from rest, each seed trained on its own paths."""
    test = paths(4, 99, time, **system)
    assert test.inputs is not None
    rest = Trajectories(test.observations[:, :0], test.inputs[:, :0])
    models = simulators(method, seeds, time=time, **system)
    return float(np.median([error(model.forecast(rest, time, test.inputs), test.observations) for model in models]))


def error(answer: torch.Tensor, truth: torch.Tensor) -> float:
    """Squared error over power."""
    return float((answer - truth).square().mean() / truth.square().mean())
