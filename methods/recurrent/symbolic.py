"""The symbolic code of a piecewise linear model: which regions an orbit visits, and for how long."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from dynamark.tasks.problems import Run

__all__ = ["block_entropies", "describe_code", "occupation", "runs_of", "share_count"]


def occupation(symbols: Int[ndarray, " time"]) -> dict[int, float]:
    """The share of time in each visited region, the largest first."""
    found, count = np.unique(symbols, return_counts=True)
    order = np.argsort(-count, kind="stable")
    return {int(found[i]): float(count[i] / len(symbols)) for i in order}


def share_count(symbols: Int[ndarray, " time"], share: float = 0.9) -> int:
    """The least number of regions that hold at least this share of the time."""
    held = np.cumsum(list(occupation(symbols).values()))
    return int(np.argmax(held >= share - 1e-12)) + 1


def runs_of(symbols: Int[ndarray, " time"]) -> tuple[ndarray, ndarray]:
    """The run-length code: the regions in the order of visits, and the dwell times."""
    changes = np.flatnonzero(np.diff(symbols)) + 1
    edges = np.concatenate([[0], changes, [len(symbols)]])
    return symbols[edges[:-1]], np.diff(edges)


def block_entropies(symbols: Int[ndarray, " time"], longest: int) -> ndarray:
    """H_n in nats of the words of n = 1, 2, ... symbols, until distinct words reach 1 % of the samples or n = `longest`."""
    found = []
    words = symbols.astype(np.int64)
    _, names = np.unique(words, return_inverse=True)
    letters = names.astype(np.int64)
    for n in range(1, longest + 1):
        _, names, count = np.unique(words, return_inverse=True, return_counts=True)
        share = count / count.sum()
        found.append(float(-(share * np.log(share)).sum()))
        if len(count) > 0.01 * len(symbols):
            break
        # A word is named by its rank, so a longer one is (rank, letter): no overflow whatever its length.
        words = names[:-1].astype(np.int64) * (letters.max() + 1) + letters[n:]
    return np.array(found)


def describe_code(symbols: Int[ndarray, "orbit time"], run: Run) -> None:
    """Facts about the code: regions visited, those that hold 90 % of the time, the share of the second, transitions, dwell."""
    walks = [runs_of(orbit) for orbit in symbols]
    steps = {step for visits, _ in walks for step in zip(visits[:-1].tolist(), visits[1:].tolist(), strict=True)}
    shares = list(occupation(symbols.ravel()).values())
    run.fact("regions", len(shares))
    run.fact("regions_90", share_count(symbols.ravel()))
    run.fact("second_share", shares[1] if len(shares) > 1 else 0.0)
    run.fact("transitions", len(steps))
    run.fact("mean_dwell", float(np.concatenate([dwell for _, dwell in walks]).mean()))
