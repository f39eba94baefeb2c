"""Methods that agree to rounding on every seed are one model, or the comparison is broken: published rows are searched."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pandas
import pytest

from dynamark.errors import UserError
from dynamark.leaderboards.rows import gathered, prepare
from dynamark.runners.registry import class_source, resolve_method, resolve_task
from dynamark.runners.spec import parse

# Rounding, relative to the score.
_ROUNDING = 1e-6

_MINIMIZERS = {
    *(
        "agn",
        "altmin",
        "altmin_inexact",
        "deep_orthogonal",
        "gd",
        "gd_one_step",
        "gd_small",
        "gnmr",
        "heavy_ball",
        "lbfgs",
        "nesterov",
        "niht",
    ),
    *("prec_gd", "riemannian_cg", "riemannian_gd", "scaled_gd", "scaled_gd_damped", "scaled_nesterov", "svp"),
}
# Methods that are one model on a task, and why.
KNOWN: dict[str, tuple[set[str], str]] = {
    "sensing/noisy": (_MINIMIZERS, "the least-squares matrix of rank r is unique, and all of them converge to it"),
    "sensing/psd(noise=0.1)": (_MINIMIZERS, "as on sensing/noisy"),
    "sensing/completion(noise=0.1)": (_MINIMIZERS, "as on sensing/noisy"),
    "sensing/incremental": (
        {"riemannian_cg", "riemannian_gd"},
        "the rank is that of the whole space, where the projection on the cone undoes a part of each step: the cosine stays "
        "above 0.1, and conjugate directions restart at each step",
    ),
    "koopman/rotation": (
        {"rrr", "pcr"},
        "the kernel does not change under the rotation: characters are principal components and singular functions, in one order",
    ),
    "koopman/skew_product": (
        {"dmd", "resdmd"},
        "of the four coordinates those of x are eigenfunctions, and the best linear forecast of the other two is 0",
    ),
}


def agreeing(rows: pandas.DataFrame) -> set[tuple[str, str, str]]:
    """(task, method, method) of different methods whose scores agree to rounding on two seeds or more, all that they share.

    Scores at the floor, and scores no better than the baseline (the worst score, an escaped orbit), tell no models apart.
    """
    better = np.where(rows["lower_is_better"], rows["score"] < rows["baseline"], rows["score"] > rows["baseline"])
    telling = rows[better & (rows["score"].abs() > rows["floor"]).to_numpy() & np.isfinite(rows["score"]).to_numpy()]
    pairs = set()
    for (task, _, _), group in telling.groupby(["task", "tier", "salt"], observed=True):
        by_method = group.pivot_table(index="seed", columns="method", values="score", observed=True)
        for one, other in itertools.combinations(sorted(by_method.columns), 2):
            both = by_method[[one, other]].dropna()
            gap = (both[one] - both[other]).abs() / both.abs().max(axis=1)
            if len(both) > 1 and gap.max() < _ROUNDING:
                pairs.add((str(task), str(one), str(other)))
    return pairs


@functools.cache
def method_source(label: str) -> str | None:
    """The digest of the method's code as it is here."""
    try:
        return resolve_method(parse(label)).source
    except UserError:
        return None


@functools.cache
def task_source(label: str, tier: str) -> str | None:
    """The digest of the task's code as it is here."""
    try:
        return class_source(type(resolve_task(parse(label), tier)))
    except UserError:
        return None


def test_no_published_methods_agree_without_being_one_model() -> None:
    rows = prepare(gathered([], columns=["task_source", "method_source"]))
    # Rows of code that is no longer here say nothing of it.
    tasks = [task_source(task, tier) for task, tier in zip(rows["task"], rows["tier"], strict=True)]
    methods = [method_source(label) for label in rows["method"]]
    rows = rows[(rows["task_source"] == tasks) & (rows["method_source"] == methods)]
    unexplained = {
        (task, one, other) for task, one, other in agreeing(rows) if not {one, other} <= KNOWN.get(task, (set(), ""))[0]
    }
    assert not unexplained


@pytest.mark.parametrize(
    ("shift", "expected"), [(0.0, {("t/a", "x", "y")}), (1e-9, {("t/a", "x", "y")}), (1e-3, set())]
)
def test_pairs_are_found_to_rounding(shift: float, expected: set[tuple[str, str, str]]) -> None:
    """x and y agree, z does not; below the floor and above the baseline nothing counts."""
    scores = {
        "x": [0.2, 0.3],
        "y": [0.2 + shift, 0.3],
        "z": [0.2, 0.4],
        "v": [1e-9, 1e-9],
        "w": [1e-9, 1e-9],
        "u": [2, 2],
    }
    rows = pandas.DataFrame(
        [
            {"task": "t/a", "tier": "tiny", "salt": "", "method": method, "seed": seed, "score": float(score)}
            for method, values in scores.items()
            for seed, score in enumerate(values)
        ]
    ).assign(baseline=1.0, floor=1e-6, lower_is_better=True)
    assert agreeing(rows) == expected
