"""The symbolic dynamics of a piecewise linear model: the linear regions that an orbit visits, and for how long."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from dynamark.tasks.problems import Run

__all__ = ["block_entropies", "describe_code", "occupation", "runs_of", "share_count"]


def occupation(symbols: Int[ndarray, " time"]) -> dict[int, float]:
    """The fraction of time spent in each visited region, in descending order."""
    regions, count = np.unique(symbols, return_counts=True)
    order = np.argsort(-count, kind="stable")
    return {int(regions[i]): float(count[i] / len(symbols)) for i in order}


def share_count(symbols: Int[ndarray, " time"], share: float = 0.9) -> int:
    """The smallest number of regions in which the orbit spends at least this fraction of the time."""
    cumulative = np.cumsum(list(occupation(symbols).values()))
    return int(np.argmax(cumulative >= share - 1e-12)) + 1


def runs_of(symbols: Int[ndarray, " time"]) -> tuple[ndarray, ndarray]:
    """The run-length encoding: the regions in the order of visits, and the dwell time of each visit in samples."""
    changes = np.flatnonzero(np.diff(symbols)) + 1
    edges = np.concatenate([[0], changes, [len(symbols)]])
    return symbols[edges[:-1]], np.diff(edges)


def block_entropies(symbols: Int[ndarray, " time"], longest: int) -> ndarray:
    """Entropies H_n in nats of words of n = 1, 2, ... symbols, up to n = `longest`.

    Stops earlier, at the first n with more distinct words than 1 % of the samples.
    """
    entropies = []
    words = symbols.astype(np.int64)
    _, names = np.unique(words, return_inverse=True)
    letters = names.astype(np.int64)
    for n in range(1, longest + 1):
        _, names, count = np.unique(words, return_inverse=True, return_counts=True)
        share = count / count.sum()
        entropies.append(float(-(share * np.log(share)).sum()))
        if len(count) > 0.01 * len(symbols):
            break
        # A word is encoded by its rank, and the next longer word by (rank, letter), which never overflows.
        words = names[:-1].astype(np.int64) * (letters.max() + 1) + letters[n:]
    return np.array(entropies)


def describe_code(symbols: Int[ndarray, "orbit time"], run: Run) -> None:
    """Record facts: visited regions, regions of 90 % of the time, second-largest fraction, transitions, mean dwell time."""
    walks = [runs_of(orbit) for orbit in symbols]
    steps = {step for visits, _ in walks for step in zip(visits[:-1].tolist(), visits[1:].tolist(), strict=True)}
    shares = list(occupation(symbols.ravel()).values())
    run.fact("regions", len(shares))
    run.fact("regions_90", share_count(symbols.ravel()))
    run.fact("second_share", shares[1] if len(shares) > 1 else 0.0)
    run.fact("transitions", len(steps))
    run.fact("mean_dwell", float(np.concatenate([dwell for _, dwell in walks]).mean()))
