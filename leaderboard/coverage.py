"""Who may be ranked with whom: methods of one table meet on its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

if TYPE_CHECKING:
    import pandas

__all__ = ["alike", "tracks"]

# Tables over several families that are shown: those of the most tasks.
_MOST = 3


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
    found = {int(k): [str(names[t]) for t in np.unique(task) if label[t] == k] for k in np.unique(of_row)}
    meetings = np.bincount(label[task])
    order = sorted(found, key=lambda k: (-meetings[k], found[k]))
    return [(found[k], of_row == k) for k in order]


def alike(rows: pandas.DataFrame) -> list[ndarray]:
    """Rows (a mask each) of tables over several families in which every method ran on every task.

    For each set of tasks of two families or more that is all that some method ran on: that set, with all methods whose
    tasks include it, if they are two or more. Those of the most tasks first, and only so many.
    """
    method, task = _met(rows)
    ran = {int(m): frozenset(task[method == m].tolist()) for m in np.unique(method)}
    known, first = np.unique(rows["task"].cat.codes.to_numpy(), return_index=True)
    family = dict(zip(known.tolist(), rows["family"].cat.codes.to_numpy()[first].tolist(), strict=True))
    sets = {tasks for tasks in ran.values() if len({family[t] for t in tasks}) > 1}
    made = [(tasks, [m for m, own in ran.items() if own >= tasks]) for tasks in sets]
    made = [(tasks, methods) for tasks, methods in made if len(methods) > 1]
    made.sort(key=lambda pair: (-len(pair[0]), -len(pair[1]), sorted(pair[0])))
    codes = rows["method"].cat.codes.to_numpy(), rows["task"].cat.codes.to_numpy()
    return [np.isin(codes[0], methods) & np.isin(codes[1], list(tasks)) for tasks, methods in made[:_MOST]]
