"""The rows of one claim as named columns of equal length, on which its quantities are computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

if TYPE_CHECKING:
    import pandas

__all__ = ["MissingScore", "Rows", "Where"]

# Conditions on columns: {"method": "gd", "task.noise": 0.1}.
Where = Mapping[str, Any]

# What `where` may call shorter than the column.
_SHORT = {"method": "method_name", "task": "task_name"}


class MissingScore(KeyError):
    """No row has a score under this name."""

    def __init__(self, score: str, where: Where) -> None:
        super().__init__(score)
        self.score = score
        self.where = dict(where)

    def __str__(self) -> str:
        return f"no row of this claim has the score '{self.score}'" + (f" where {self.where}" if self.where else "")


class Rows:
    """Columns: `key`, `kind`, `task`, `method` (as tables show them), `task_name`, `method_name`, `tier`, `seed`, `status`;
    `task.<field>` and `method.<field>` for every field that the claim names; `score.<name>` (NaN where a run failed).

    level: confidence level of the intervals of quantities.
    """

    def __init__(self, columns: Mapping[str, ndarray], level: float = 0.95) -> None:
        self.columns = dict(columns)
        self.level = level

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def __getitem__(self, column: str) -> ndarray:
        if column not in self.columns and column.startswith("score."):
            raise MissingScore(column.removeprefix("score."), {})
        return self.columns[column]

    def where(self, conditions: Where) -> Rows:
        """The rows that satisfy all conditions, in the order of their seeds."""
        chosen = np.ones(len(self), dtype=bool)
        for name, value in conditions.items():
            wanted = _plain(value)
            chosen &= np.fromiter((cell == wanted for cell in self.columns[_SHORT.get(name, name)]), bool, len(self))
        return self.at(np.flatnonzero(chosen)[np.argsort(self.columns["seed"][chosen], kind="stable")])

    def at(self, places: ndarray) -> Rows:
        """The rows at these places, or those that a mask picks."""
        return Rows({name: column[places] for name, column in self.columns.items()}, self.level)

    def values(self, score: str, conditions: Where | None = None) -> ndarray:
        """One score of the rows that satisfy the conditions, in the order of their seeds [row]."""
        chosen = self.where(conditions or {})
        if not len(chosen) or f"score.{score}" not in chosen:
            raise MissingScore(score, conditions or {})
        return chosen[f"score.{score}"]

    def table(self, score: str, x: str, conditions: Where | None = None) -> tuple[ndarray, ndarray]:
        """The values of the column x in increasing order [x], and one score by seed and x [seed, x].

        Only seeds that have a row at every x are in the table.
        """
        chosen = self.where(conditions or {})
        if not len(chosen) or f"score.{score}" not in chosen:
            raise MissingScore(score, conditions or {})
        axis = sorted(set(chosen[x].tolist()))
        by_place = {
            (seed, value): cell
            for seed, value, cell in zip(chosen["seed"], chosen[x], chosen[f"score.{score}"], strict=True)
        }
        seeds = [s for s in sorted(set(chosen["seed"].tolist())) if all((s, value) in by_place for value in axis)]
        return np.array(axis), np.array([[by_place[s, value] for value in axis] for s in seeds], float).reshape(
            len(seeds), len(axis)
        )

    def with_score(self, name: str, values: ndarray) -> Rows:
        """The same rows with one more score."""
        return Rows({**self.columns, f"score.{name}": values}, self.level)

    def to_frame(self) -> pandas.DataFrame:
        """These columns as a pandas data frame."""
        import pandas

        return pandas.DataFrame(self.columns)


def _plain(value: Any) -> Any:
    """Tuples as the lists that JSON makes of them."""
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
