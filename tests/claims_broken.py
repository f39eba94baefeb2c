"""Claims on broken measurements: `python tests/claims_broken.py` lists those that are still reproduced.

The published rows of each claim, with every score shuffled over the claim's rows, reversed, or replaced by numbers without
meaning. Shuffled and reversed rows leave what holds for every row (bounds, residuals, errors of one method alone): such a claim
passes rightly. What compares rows with each other must not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy import ndarray

from dynamark.results.store import published_store, read_rows
from dynamark.runners.claims.catalog import shipped_claims
from dynamark.runners.claims.columns import Rows
from dynamark.runners.claims.select import COLUMNS, Index
from dynamark.runners.claims.verdicts import evaluate

Breaking = Callable[[ndarray, np.random.Generator], ndarray]


def _shuffled(values: ndarray, rng: np.random.Generator) -> ndarray:
    """The values of a score on other rows: what depends on the method, the task or a field is gone."""
    return np.asarray(rng.permutation(values))


def _reversed(values: ndarray, rng: np.random.Generator) -> ndarray:
    """The largest for the smallest, rank by rank: what was best is worst."""
    order = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    return np.asarray(np.sort(values)[::-1][order])


def _random(values: ndarray, rng: np.random.Generator) -> ndarray:
    """Numbers without any meaning, over many orders of magnitude and of both signs."""
    return np.asarray(rng.choice([-1.0, 1.0], len(values)) * 10.0 ** rng.uniform(-3, 3, len(values)))


BREAKINGS: dict[str, Breaking] = {"shuffled": _shuffled, "reversed": _reversed, "random": _random}


class _Broken(Index):
    """The rows of an index with each score broken."""

    def __init__(self, index: Index, breaking: Breaking, seed: int) -> None:
        self.__dict__.update(index.__dict__)
        self._breaking, self._rng = breaking, np.random.default_rng(seed)

    def select(self, *args: object, **more: object) -> tuple[Rows, int]:
        rows, missing = super().select(*args, **more)  # type: ignore[arg-type]
        for name, column in rows.columns.items():
            if name.startswith("score."):
                known = np.flatnonzero(np.isfinite(column))
                column[known] = self._breaking(column[known], self._rng)
        return rows, missing


def passing(index: Index, breaking: Breaking, repeats: int) -> dict[str, float]:
    """The claims that are reproduced on broken rows, with the share of draws in which they are."""
    by_name = {}
    for name, listed in shipped_claims().items():
        if evaluate(listed, index).verdict == "not run":
            continue
        verdicts = [evaluate(listed, _Broken(index, breaking, seed)).verdict for seed in range(repeats)]
        if share := float(np.mean([verdict == "reproduced" for verdict in verdicts])):
            by_name[name] = share
    return by_name


def main() -> None:
    """Print the claims that pass, with the share of twenty draws in which they do."""
    index = Index(read_rows([published_store()], COLUMNS))
    for name, breaking in BREAKINGS.items():
        shares = passing(index, breaking, 20)
        print(f"{name}: {', '.join(f'{claim} {share:.2f}' for claim, share in shares.items()) or 'none'}")


if __name__ == "__main__":
    main()
