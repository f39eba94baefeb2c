"""`dynamark check`: what an author should know about a method before a long run."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dynamark.errors import UserError
from dynamark.results.schema import SCORED, Row
from dynamark.results.store import Store
from dynamark.runners.plan import applies
from dynamark.runners.plugins import Method, resolve_method, resolve_task, task_names
from dynamark.runners.run import run
from dynamark.runners.suite import Entry, Suite
from dynamark.tasks.problems import KINDS

__all__ = ["Finding", "check"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and what was seen."""

    what: str
    ok: bool
    detail: str


def check(
    method: str, *, task: Sequence[str] = (), timeout: float = 120.0, device: Literal["cpu", "cuda"] = "cpu"
) -> list[Finding]:
    """Try a method at the tiny tier, in isolated processes, and say what is wrong with it.

    Looked at: that it imports, is frozen and pickles; on one task of each kind that it supports (or on `task`): shapes and
    types of its answers, finiteness, causality, device, that a second run gives the same bits, that its members do not
    depend on their neighbours, and seconds.
    """
    chosen = resolve_method(method)
    findings = [_frozen(chosen), _pickles(chosen)]
    tasks = list(task) or _one_task_a_kind(chosen)
    if not tasks:
        wanted = ", ".join(sorted(single for single, _ in KINDS.values()))
        raise UserError(f"method '{chosen.label}' implements no protocol; write one of: {wanted}")
    for name in tasks:
        findings += _try(method, name, timeout, device)
    return findings


def _frozen(method: Method) -> Finding:
    built = method.build()
    frozen = bool(type(built).__dataclass_params__.frozen)
    return Finding(
        "frozen dataclass", frozen, "" if frozen else "write @dataclass(frozen=True): a run is keyed by its fields"
    )


def _pickles(method: Method) -> Finding:
    built = method.build()
    try:
        same = pickle.loads(pickle.dumps(built)) == built
    except Exception as error:
        return Finding("pickles", False, f"{type(error).__name__}: {error}")
    return Finding("pickles", same, "" if same else "what comes back is not equal; compare by fields")


def _one_task_a_kind(method: Method) -> list[str]:
    """The first task of the catalogue of each kind (and, of forecasting, of each family) that the method can be put to."""
    found: dict[tuple[type, str], str] = {}
    for name in task_names():
        task = resolve_task(name, "tiny")
        if applies(method, task):
            found.setdefault((task.kind, task.family), name)
    return list(found.values())


def _try(method: str, task: str, timeout: float, device: Literal["cpu", "cuda"]) -> list[Finding]:
    """Two seeds, the same again, and with a third as neighbour."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [_rows(method, task, seeds, Path(folder) / str(i), timeout, device) for i, seeds in enumerate((2, 2, 3))]
    first = rows[0]
    bad = [row for row in first if row["status"] != "ok"]
    answers = Finding(
        f"{task}: answers", not bad, f"{bad[0]['status']}, seed {bad[0]['seed']}: {bad[0]['reason']}" if bad else ""
    )
    if any(row["status"] not in SCORED for row in first):
        return [answers]
    again, beside = (_same(first, other) for other in rows[1:])
    seconds = sum(row["fit_seconds"] + row["predict_seconds"] for row in first) / len(first)
    score = ", ".join(f"{row['primary']['value']:.3g}" for row in first)
    return [
        answers,
        Finding(
            f"{task}: the same bits again", again, "" if again else "draw numbers from run.generator or run.numpy only"
        ),
        Finding(
            f"{task}: no influence of neighbours", beside, "" if beside else "a member's scores change with its cohort"
        ),
        Finding(f"{task}: time", True, f"{seconds:.2g} s a run; {first[0]['primary']['score']} {score}"),
    ]


def _rows(method: str, task: str, seeds: int, store: Path, timeout: float, device: Literal["cpu", "cuda"]) -> list[Row]:
    suite = Suite("check", "", (Entry((task,), (method,), "tiny", seeds),))
    run(suite, store=store, workers=1, timeout=timeout, device=device)
    return sorted(Store(store).rows().to_pylist(), key=lambda row: int(row["seed"]))


def _same(some: list[Row], others: list[Row]) -> bool:
    by_seed = {row["seed"]: row for row in others}
    return all(repr(row["scores"]) == repr(by_seed[row["seed"]]["scores"]) for row in some)
