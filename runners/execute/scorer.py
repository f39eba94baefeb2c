"""Posing problems, scoring answers, measuring experiments: the only code that runs a task."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from dynamark.runners.execute.answers import Answer
from dynamark.runners.execute.clock import seconds
from dynamark.runners.registry import load, target_of
from dynamark.tasks.base import Curve, Task
from dynamark.tasks.problems import Run

__all__ = ["describe", "measure", "rebuild", "score"]


def describe(task: Task) -> dict[str, Any]:
    """A task as plain data, from which another process makes it again."""
    fields = {**task.fields(), "name": task.name, "salt": task.salt}
    return {"target": target_of(type(task)), "fields": fields}


def rebuild(description: Mapping[str, Any]) -> Task:
    """The task that `describe` describes."""
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in description["fields"].items()}
    task: Task = load(description["target"], "task")(**fields)
    return task


def score(task: Task, seed: int, answer: Answer) -> dict[str, Any]:
    """The columns of a row that the answers of one member are worth."""
    scored = task.score(answer.arrays, seed)
    if undeclared := sorted(set(scored.values) - {metric.name for metric in task.metrics}):
        raise ValueError(f"task {task.name} gave the score '{undeclared[0]}', which is not among its metrics")
    primary = scored.values.get(task.primary.name)
    if primary is None or not np.isfinite(primary):
        raise ValueError(f"task {task.name} gave no finite '{task.primary.name}'")
    diverged = any(not np.isfinite(a).all() for name, a in answer.arrays.items() if not name.startswith("snapshot."))
    facts = {f"fact.{name}": value for name, value in {**scored.facts, **answer.facts}.items()}
    return {
        "status": "diverged" if diverged else "ok",
        "reason": "the answers hold NaN or infinity" if diverged else None,
        "primary": {"value": float(primary), **scale(task, seed)},
        **_columns({**scored.values, **facts}, scored.curves, answer.curves),
        "fit_seconds": answer.fit_seconds,
        "predict_seconds": answer.predict_seconds,
        "parameters": answer.parameters,
        "steps": answer.steps,
        "candidates": answer.candidates or None,
    }


def measure(experiment: Any, entropy: list[int], device: str) -> dict[str, Any]:
    """The columns of a row that one measurement of an experiment fills."""
    run = Run(entropy, torch.device(device))
    start = seconds(device)
    scored = experiment.measure(run)
    elapsed = seconds(device) - start
    return {"status": "ok", **_columns(scored.values, scored.curves, run.curves), "fit_seconds": elapsed}


def _columns(
    values: Mapping[str, float], curves: Sequence[Curve], drawn: Mapping[str, list[tuple[float, float]]]
) -> dict[str, Any]:
    """Scores and curves as a row holds them; `drawn` are the curves that a method drew itself."""
    own = [Curve(name, *np.array(points).T) for name, points in drawn.items()]
    columns = [_curve(curve) for curve in (*curves, *own)]
    return {"scores": [{"name": name, "value": float(value)} for name, value in values.items()], "curves": columns}


def scale(task: Task, seed: int) -> Mapping[str, Any]:
    """The two ends of the task's scale, and how skill is measured between them.

    Computed once for all methods that this process scores on the instance: an oracle can take longer than a method.
    """
    try:
        hash(task)
    except TypeError:  # a field of a task of one's own
        return _ends(task, seed)
    return _cached_ends(task, seed)


def _ends(task: Task, seed: int) -> dict[str, Any]:
    return {
        "score": task.primary.name,
        "lower_is_better": task.primary.lower_is_better,
        "log": task.log_scale,
        "floor": task.floor,
        "baseline": task.baseline(seed),
        "oracle": task.oracle(seed),
    }


_cached_ends = functools.lru_cache(maxsize=64)(_ends)


def _curve(curve: Curve) -> dict[str, Any]:
    keep = np.unique(np.linspace(0, len(curve.axis) - 1, min(len(curve.axis), curve.most)).astype(int))
    return {
        "name": curve.name,
        "axis": np.asarray(curve.axis, float)[keep].tolist(),
        "values": np.asarray(curve.values, float)[keep].tolist(),
    }
