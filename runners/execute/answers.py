"""Asking a fitted model the query of its problem; one function a kind. The answers are plain arrays of checked shapes."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dynamark.tasks.numerics.lyapunov import lyapunov_spectrum
from dynamark.tasks.problems import (
    Estimate,
    Forecasting,
    HasJacobian,
    HasSample,
    HasSpectrum,
    Online,
    Prediction,
    Recovery,
    Rollout,
    Run,
    Training,
)

__all__ = ["Answer", "BadAnswer", "ask"]


@dataclass
class Answer:
    """What one member leaves: arrays, curves, facts and costs, and the candidates that competed for it."""

    arrays: dict[str, np.ndarray]
    curves: dict[str, list[tuple[float, float]]]
    facts: dict[str, float]
    fit_seconds: float
    predict_seconds: float
    parameters: int | None
    steps: int | None
    candidates: list[dict[str, Any]] = field(default_factory=list)


class BadAnswer(Exception):
    """A model answered in the wrong shape or type, or looked ahead."""


def ask(model: Any, problem: Any, run: Run) -> dict[str, np.ndarray]:
    """The model's answers to the query of the problem."""
    with torch.no_grad():
        return _ASK[type(problem)](model, problem, run)


def _array(name: str, value: Any, shape: tuple[int, ...] | None = None, kinds: str = "f") -> np.ndarray:
    """An answer as an array, refused unless it has the shape asked for. kinds: "f" real, "fc" also complex numbers."""
    if isinstance(value, Tensor):
        value = value.detach().cpu().resolve_conj().numpy()
    if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds:
        real = "real " if kinds == "f" else ""
        raise BadAnswer(f"{name}: wanted a tensor of {real}floating-point numbers, got {_describe(value)}")
    if shape is not None and value.shape != shape:
        raise BadAnswer(f"{name}: wanted shape {shape}, got {value.shape}")
    return value


def _describe(value: Any) -> str:
    return f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__


def _forecasting(model: Any, problem: Forecasting, run: Run) -> dict[str, np.ndarray]:
    query = problem.query
    assert query is not None
    answers = {}
    for name, rollout in query.rollouts.items():
        wanted = (len(rollout.context), rollout.horizon, rollout.context.dim)
        value = model.forecast(rollout.context, rollout.horizon, rollout.inputs)
        answers[f"forecast.{name}"] = _array(f"forecast '{name}'", value, wanted)
        if query.draws:
            answers[f"sample.{name}"] = _sample(model, name, query.draws, rollout, run, answers[f"forecast.{name}"])
    if query.points is not None and isinstance(model, HasSpectrum):
        eigenvalues = _array("eigenvalues", model.eigenvalues(), kinds="fc")
        answers["eigenvalues"] = eigenvalues
        values = model.eigenfunctions(query.points)
        answers["eigenfunctions"] = _array("eigenfunctions", values, (len(query.points), len(eigenvalues)), "fc")
    if query.lyapunov_steps and isinstance(model, HasJacobian):
        contexts = next(iter(query.rollouts.values())).context
        answers["lyapunov"] = _array("lyapunov", lyapunov_spectrum(model, contexts, query.lyapunov_steps))
    return answers


def _sample(model: Any, name: str, draws: int, rollout: Rollout, run: Run, forecast: np.ndarray) -> np.ndarray:
    """Draws of a model that samples; the forecast as one draw of another."""
    if not isinstance(model, HasSample):
        return forecast[:, None]
    # A stream of its own for each rollout: draws depend neither on fitting nor on other rollouts.
    words = np.random.SeedSequence(list(run.entropy), spawn_key=(2, zlib.crc32(name.encode()))).generate_state(
        1, np.uint64
    )
    generator = torch.Generator().manual_seed(int(words[0]) >> 1)
    value = model.sample(rollout.context, rollout.horizon, draws, generator, rollout.inputs)
    wanted = (len(rollout.context), draws, rollout.horizon, rollout.context.dim)
    return _array(f"sample '{name}'", value, wanted)


def _prediction(model: Any, problem: Prediction, run: Run) -> dict[str, np.ndarray]:
    query = problem.query
    assert query is not None
    n, time, dim = query.sequences.observations.shape
    wanted = (len(query.horizons), n, time, dim)
    answer = _array("prediction", model.predict(query.sequences, query.horizons), wanted)
    _refuse_foresight(model, query.sequences, query.horizons, answer)
    return {"prediction": answer}


def _refuse_foresight(model: Any, sequences: Any, horizons: tuple[int, ...], answer: np.ndarray) -> None:
    """Change the later outputs of one sequence, and apart from that its later inputs: earlier predictions must stay.

    Not to the bit, since a convolution by FFT lets later values move the rounding of earlier ones.
    """
    cut = sequences.observations.shape[1] // 2
    probe = _two_futures(sequences, cut)
    again = _array("prediction", model.predict(probe, horizons))
    tolerance = _rounding(answer[:, :1], again)
    for place, horizon in enumerate(horizons):
        # Entry t may use outputs before t, and inputs up to t + horizon - 1.
        for changed, what, free in ((0, "outputs", cut + 1), (1, "inputs", cut - horizon + 1)):
            moved = (np.abs(again[place, changed, :free] - answer[place, 0, :free]) > tolerance).any(axis=-1)
            if moved.any():
                raise BadAnswer(
                    f"the prediction at step {int(np.argmax(moved))} changes when {what} from step {cut} on change: "
                    "the method looks ahead"
                )


# Parts of an answer's spread, and of its size, below which two answers are equal: convolutions in single precision round to
# 1e-7 of the spread each step, and an offset rounds in double precision.
_OF_SPREAD, _OF_SIZE = 1e-4, 1e-13


def _rounding(*answers: np.ndarray) -> np.ndarray:
    """What rounding may move in each channel: relative to the spread of these answers, and to their size."""
    values = np.concatenate([answer.reshape(-1, answer.shape[-1]) for answer in answers])
    finite = np.isfinite(values)
    low, high = np.where(finite, values, np.inf).min(0), np.where(finite, values, -np.inf).max(0)
    some = finite.any(0)
    low, high = np.where(some, low, 0.0), np.where(some, high, 0.0)
    return _OF_SPREAD * (high - low) + _OF_SIZE * np.maximum(np.abs(low), np.abs(high))


def _two_futures(sequences: Any, cut: int) -> Any:
    """The first sequence twice: once with other outputs from `cut` on, once with other inputs."""

    def twice(part: Tensor | None, changed: int | None = None) -> Tensor | None:
        if part is None:
            return None
        both = part[:1].repeat(2, *[1] * (part.dim() - 1))
        if changed is not None:
            mean, spread = part[0].mean(0), (part[0] - part[0].mean(0)).square().mean(0).sqrt()
            # A constant channel changes by its own size, one of zeros by that of the others.
            spread = torch.where(spread > 0, spread, torch.where(mean != 0, mean.abs(), spread.max().clamp(min=0)))
            spread = torch.where(spread > 0, spread, 1.0)
            both[changed, cut:] = mean - 1.7 * (both[changed, cut:].flip(0) - mean) + 0.3 * spread
        return both

    rest = {name: twice(getattr(sequences, name)) for name in ("gaps", "seen", "twin", "weights")}
    return replace(sequences, observations=twice(sequences.observations, 0), inputs=twice(sequences.inputs, 1), **rest)


def _online(learner: Any, problem: Online, run: Run) -> dict[str, np.ndarray]:
    query = problem.query
    assert query is not None
    n, time, dim = query.outputs.shape
    answers = np.empty((n, time, dim))
    for t in range(time):
        answers[:, t] = _array(f"prediction at step {t}", learner.predict(query.inputs[:, t]), (n, dim))
        learner.update(query.outputs[:, t])
    return {"prediction": answers}


def _recovery(estimate: Any, problem: Recovery, run: Run) -> dict[str, np.ndarray]:
    if not isinstance(estimate, Estimate):
        raise BadAnswer(f"wanted an Estimate, got {_describe(estimate)}")
    rows, columns = problem.operator.shape
    answers = {f"factor.{i}": _array(f"factor {i}", f) for i, f in enumerate(estimate.factors)}
    shapes = tuple(f.shape for f in estimate.factors)
    fits = {
        "product": len(shapes) == 2
        and shapes[0][0] == rows
        and shapes[1][0] == columns
        and shapes[0][1:] == shapes[1][1:],
        "symmetric": len(shapes) == 1 and shapes[0][0] == rows == columns,
        "dense": shapes == ((rows, columns),),
    }
    if not fits.get(estimate.form, False):
        raise BadAnswer(f"an estimate of form '{estimate.form}' for a {rows} x {columns} matrix has factors {shapes}")
    answers["form"] = np.array(["product", "symmetric", "dense"].index(estimate.form), dtype=float)
    for step, factors in run.snapshots:
        for i, factor in enumerate(factors):
            answers[f"snapshot.{step}.{i}"] = _array(f"snapshot {step}", factor, shapes[i])
    if run.passes and len(run.passes) == len(run.snapshots):
        answers["passes"] = np.array(run.passes, dtype=float)
    return answers


def _training(network: Any, problem: Training, run: Run) -> dict[str, np.ndarray]:
    query = problem.query
    assert query is not None
    return {"logits": _array("logits", network.logits(query.inputs), (len(query.inputs), problem.widths[-1]))}


_ASK: dict[type, Callable[[Any, Any, Run], dict[str, np.ndarray]]] = {
    Forecasting: _forecasting,
    Prediction: _prediction,
    Online: _online,
    Recovery: _recovery,
    Training: _training,
}
