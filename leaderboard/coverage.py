"""Who may be ranked with whom: methods of one table meet on its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

if TYPE_CHECKING:
    import pandas

__all__ = ["tracks"]


def _met(rows: pandas.DataFrame) -> tuple[ndarray, ndarray]:
    """Each pair of a method and a task that has a run, as codes of their categories."""
    width = len(rows["task"].cat.categories)
    met = np.unique(rows["method"].cat.codes.to_numpy(np.int64) * width + rows["task"].cat.codes.to_numpy())
    return met // width, met % width


def tracks(rows: pandas.DataFrame) -> list[tuple[list[str], ndarray]]:
    """A family's tasks in groups that no method ran across, that of the most meetings of a method and a task first.

    Each comes with its rows (a mask).

    Methods of two tracks meet on no task, directly or by way of others, so that nothing ranks one before the other.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    method, task = _met(rows)
    names = rows["task"].cat.categories
    shift, size = len(rows["method"].cat.categories), len(rows["method"].cat.categories) + len(names)
    graph = coo_array((np.ones(len(method)), (method, shift + task)), shape=(size, size))
    label = connected_components(graph, directed=False)[1][shift:]
    of_row = label[rows["task"].cat.codes.to_numpy()]
    tasks_of = {int(k): [str(names[t]) for t in np.unique(task) if label[t] == k] for k in np.unique(of_row)}
    meetings = np.bincount(label[task])
    order = sorted(tasks_of, key=lambda k: (-meetings[k], tasks_of[k]))
    return [(tasks_of[k], of_row == k) for k in order]
