"""The rows of a table as matrices [method, cell]: what standings are computed from."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.leaderboards import statistics

if TYPE_CHECKING:
    import pandas

__all__ = ["Grid", "TaskInfo"]


@dataclass(frozen=True)
class TaskInfo:
    """A task in a table: its primary score, and the two ends of its scale (medians over seeds)."""

    name: str
    metric: str
    lower_is_better: bool
    baseline: float | None
    oracle: float | None


# Medians of these are told of each method; all but the seconds are whole numbers.
_COSTS = ("fit_seconds", "parameters", "peak_memory", "steps")


class Grid:
    """The rows of a table as matrices [method, cell]; a cell is a task and a seed. NaN where there is no run."""

    def __init__(self, rows: pandas.DataFrame) -> None:
        codes = rows["method"].cat.codes.to_numpy()
        known, self._method = np.unique(codes, return_inverse=True)
        self.methods = [str(rows["method"].cat.categories[code]) for code in known]
        tasks, task = np.unique(rows["task"].cat.codes.to_numpy(), return_inverse=True)
        self._names = [str(rows["task"].cat.categories[code]) for code in tasks]
        seeds, seed = np.unique(rows["seed"].to_numpy(), return_inverse=True)
        cells, self._cell = np.unique(task * len(seeds) + seed, return_inverse=True)
        self.task_of_cell = cells // max(len(seeds), 1)
        self.skill, self._score, self._failed, self._own = (
            self._matrix(rows[name].to_numpy(float)) for name in ("skill", "score", "failed", "own")
        )
        self._submitted = _submitted(rows) if "submitted" in rows else {}
        self._present = ~np.isnan(self._failed)
        # Whether a method answered at all: a run that ended in NaN counts as little as one that crashed.
        answered = np.nan_to_num(self._matrix((rows["status"] == "ok").to_numpy(float)))
        self.alive: list[bool] = answered.any(axis=1).tolist()
        self.tasks = self._tasks(rows, task)
        lower = np.array([info.lower_is_better for info in self.tasks])
        self.ranks = statistics.ranks(self._score, self._present, lower[self.task_of_cell])
        self._by_task = {
            info.name: (
                _over_seeds(_median, self._score[:, self.task_of_cell == code]),
                _over_seeds(np.nanmean, self.skill[:, self.task_of_cell == code]),
            )
            for code, info in enumerate(self.tasks)
        }
        self._seconds = self._matrix(rows["fit_seconds"].to_numpy(float))
        self._costs = {
            name: _over_seeds(_median, self._matrix(rows[name].to_numpy(float)))
            if name in rows and rows[name].notna().any()
            else None
            for name in _COSTS
        }

    def spreads(self, i: int) -> dict[str, tuple[float, float]]:
        """The smallest and the largest score of a method over seeds, by task."""
        of_task = {info.name: self._score[i, self.task_of_cell == code] for code, info in enumerate(self.tasks)}
        known = {name: values[~np.isnan(values)] for name, values in of_task.items()}
        return {name: (float(values.min()), float(values.max())) for name, values in known.items() if len(values)}

    def times(self, i: int) -> dict[str, float]:
        """The median seconds to fit of a method, by task."""
        medians = {
            info.name: _plain(_over_seeds(_median, self._seconds[[i]][:, self.task_of_cell == code])[0])
            for code, info in enumerate(self.tasks)
        }
        return {name: value for name, value in medians.items() if value is not None}

    def _matrix(self, values: ndarray) -> ndarray:
        matrix = np.full((len(self.methods), len(self.task_of_cell)), np.nan)
        matrix[self._method, self._cell] = values
        return matrix

    def _tasks(self, rows: pandas.DataFrame, task: ndarray) -> tuple[TaskInfo, ...]:
        """What the answered rows say of each task; a task on which all failed has no score."""
        answered = ~rows["failed"].to_numpy()
        columns = {
            name: rows[name].to_numpy()[answered] for name in ("metric", "lower_is_better", "baseline", "oracle")
        }
        task = task[answered]
        order = np.argsort(task, kind="stable")
        starts = np.searchsorted(task[order], np.arange(len(self._names) + 1))
        infos = []
        for name, start, end in zip(self._names, starts, starts[1:], strict=False):
            if start == end:
                infos.append(TaskInfo(name, "", True, None, None))
                continue
            places = order[start:end]
            ends = (_plain(_over_seeds(_median, columns[side][places][None])[0]) for side in ("baseline", "oracle"))
            metric, lower = (columns[column][places[0]] for column in ("metric", "lower_is_better"))
            infos.append(TaskInfo(name, str(metric), bool(lower), *ends))
        return tuple(infos)

    def about(self, i: int) -> dict[str, Any]:
        """What a standing says of a method beside its skill and place."""
        costs = {name: None if cost is None else _plain(cost[i]) for name, cost in self._costs.items()}
        by_task = {name: (_plain(score[i]), _plain(mean[i])) for name, (score, mean) in self._by_task.items()}
        return {
            "own": bool((self._own[i] == 1).any()),
            "submitted": self._submitted.get(self.methods[i], ""),
            "runs": int(self._present[i].sum()),
            "possible": len(self.task_of_cell),
            "failed": int((self._failed[i] == 1).sum()),
            "fit_seconds": costs.pop("fit_seconds"),
            **{name: None if cost is None else int(cost) for name, cost in costs.items()},
            "scores": {name: score for name, (score, _) in by_task.items() if score is not None},
            "skills": {name: mean for name, (_, mean) in by_task.items() if mean is not None},
        }


def _submitted(rows: pandas.DataFrame) -> dict[str, str]:
    """How methods with submitted rows are marked; of several marks `not re-run` counts."""
    marked = rows[(rows["submitted"] != "").to_numpy()]
    pairs = zip(marked["method"].astype(str), marked["submitted"].astype(str), strict=True)
    return dict(sorted(set(pairs), reverse=True))


def _over_seeds(statistic: Callable[..., ndarray], values: Float[ndarray, "method cell"]) -> Float[ndarray, " method"]:
    """A statistic of the cells that are known; NaN where none is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy warns of a row of NaN
        return statistic(values, axis=1)


def _median(values: Float[ndarray, "method cell"], axis: int = 1) -> Float[ndarray, " method"]:
    """The median of what is not NaN; NumPy's own takes ten times as long on short rows."""
    ordered = np.sort(values, axis=axis)  # NaN last
    count = (~np.isnan(ordered)).sum(axis=axis)
    ends = np.stack([np.maximum(count - 1, 0) // 2, count // 2], axis=axis)
    ends = np.minimum(ends, values.shape[axis] - 1)
    return np.take_along_axis(ordered, ends, axis=axis).mean(axis=axis)


def _plain(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
