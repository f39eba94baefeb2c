"""A broken twin of each experiment on representations, control and solvers: with its numbers the claim must not be reproduced."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from claims_support import index_of, listed, rows_for

from dynamark.runners.claims.catalog import shipped_claims
from dynamark.runners.claims.experiments import EXPERIMENTS
from dynamark.runners.claims.koopman import experiments_subspaces
from dynamark.runners.claims.koopman.experiments_streams import RandomFeatureStream, SparseStream
from dynamark.runners.claims.verdicts import evaluate
from dynamark.runners.registry import load_checked
from dynamark.tasks.problems import Run

# Claims whose experiments take milliseconds: they are reproduced as they are.
QUICK = ("K36", "K38", "K39", "K41", "K42", "K52", "K57", "K58")
# Fields that break the experiments.
BROKEN: dict[str, dict[str, Any]] = {
    "K33": {"scheme": "unfiltered2", "steps": 100},
    "K34": {"gradient": "full", "step": 1.0, "steps": 100},
    "K38": {"convolution": "circular"},
    "K39": {"features": "states"},
    "K40": {"excitation": 0.0, "iterations": 2},
    "K41": {"gain": -0.7},
    "K42": {"nodes": 1},
    "K43": {"steps": 1, "end": 4.0},
    "K48": {"gradient": "full", "step": 1.0, "steps": 100},
    "K52": {"factor": 1.0},
    "K55": {"scheme": "unfiltered2"},
    "K56": {"alpha": 0.5, "steps": 100},
    "K57": {"shared": False},
    "K58": {"time": 1},
    "K60": {"regime": "turbulent", "points": 16, "time": 40.0},
}


def verdict(
    name: str, measured: Callable[[str, Mapping[str, Any], int], Mapping[str, float]], distinct: int = 2
) -> str:
    """The verdict of a claim on measured rows; a few distinct seeds stand for all."""
    claim = shipped_claims()[name].claim

    def scores(config: Mapping[str, Any], seed: int) -> Mapping[str, float]:
        fields = {key: value for key, value in config.items() if key not in ("task", "method")}
        return measured(config["task"], fields, seed % distinct)

    return evaluate(listed(claim), index_of(*rows_for(claim.needs, scores))).verdict


def with_fields(**changed: Any) -> Callable[[str, Mapping[str, Any], int], Mapping[str, float]]:
    """Experiments with some fields changed, where they have them."""

    @functools.cache
    def once(kind: type, fields: tuple[tuple[str, Any], ...], seed: int) -> Mapping[str, float]:
        return dict(kind(**dict(fields)).measure(Run((seed,))).values)

    def measured(name: str, fields: Mapping[str, Any], seed: int) -> Mapping[str, float]:
        kind = load_checked(EXPERIMENTS[name], "experiment")
        known = {key: value for key, value in changed.items() if key in kind.__dataclass_fields__}
        return once(kind, tuple(sorted({**fields, **known}.items())), seed)

    return measured


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_experiment_reproduces_its_claim(name: str) -> None:
    assert verdict(name, with_fields(), distinct=8) == "reproduced"


@pytest.mark.parametrize("name", list(BROKEN))
def test_a_broken_experiment_does_not(name: str) -> None:
    assert verdict(name, with_fields(**BROKEN[name])) not in ("reproduced", "not run")


def test_subspaces_are_not_compared_by_the_mean_of_their_bases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments_subspaces, "midpoint", lambda a, b: np.linalg.qr(a + b)[0])
    assert verdict("K36", with_fields()) == "not reproduced"


class _Forgetful(RandomFeatureStream):
    """Least squares on the last tenth of the stream."""

    def _recursive(self, phi: np.ndarray, y: np.ndarray) -> np.ndarray:
        recent = slice(-len(phi) // 10, None)
        return super()._recursive(phi[recent], y[recent])


class _Decaying(SparseStream):
    """The sums of every stream decay."""

    def stream(self, encoding: Any, x: np.ndarray, y: np.ndarray, decay: float) -> np.ndarray:
        return super().stream(encoding, x, y, min(decay, 0.99))


@pytest.mark.parametrize(
    ("name", "kind", "fields"),
    [
        ("K30", _Forgetful, {"pairs": 400, "features": 50, "updates": 1}),
        ("K31", _Forgetful, {"pairs": 400, "features": 50, "updates": 1}),
        ("K49", _Decaying, {"pairs": 300, "projections": 6, "bins": 2}),
    ],
)
def test_a_stream_that_forgets_does_not_pass(name: str, kind: type, fields: dict[str, Any]) -> None:
    measured = functools.cache(lambda seed: dict(kind(**fields).measure(Run((seed,))).values))
    assert verdict(name, lambda _name, _fields, seed: measured(seed)) not in ("reproduced", "not run")
