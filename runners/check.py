"""`dynamark check`: what an author should know about a method before a long run."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from dynamark.errors import UserError
from dynamark.results.schema import SCORED, Row
from dynamark.runners.edges import CASES, SAME_SKILL
from dynamark.runners.execute.executor import Executor, Limits
from dynamark.runners.execute.local import Local
from dynamark.runners.objects import Given, one_spec, specs_of
from dynamark.runners.plan.cohorts import cohorts
from dynamark.runners.plan.expand import applies, expand
from dynamark.runners.plan.suite import Entry, Suite
from dynamark.runners.registry import Method, resolve_method, resolve_task
from dynamark.runners.spec import Spec, parse
from dynamark.tasks.problems import KINDS

__all__ = ["Finding", "check"]

# A task, and a budget of steps or passes (None leaves it to the task).
Small = tuple[Spec, int | None]

# Of each kind the smallest instances at hand, in seconds all together; a method that refuses the first is put to the next. The
# first of forecasting has trajectories long enough for windows and washouts, the second has inputs.
_SMALL: tuple[tuple[Small, ...], ...] = (
    ((parse("sensing/asymmetric"), 100),),
    ((parse("lds/sym_pos_noisy"), 10),),
    ((parse("lds/regret"), None),),
    (
        (parse("slow_manifold=koopman/slow_manifold(train=20, validation=5, test=4, steps=240, test_steps=20)"), 10),
        (parse("lds/sym_pos"), 10),
    ),
    ((parse("sensing/digits"), 10),),
)


# Training steps on an edge case, and the part by which its error may differ where only units do.
_EDGE_BUDGET, _SAME = 10, 0.05


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and what was seen."""

    what: str
    ok: bool
    detail: str


def check(
    method: Given, *, task: Given | Iterable[Given] = (), timeout: float = 120.0, device: Literal["cpu", "cuda"] = "cpu"
) -> list[Finding]:
    """Try a method at the tiny tier, in isolated processes, and say what is wrong with it.

    Looked at: that it imports, is frozen and pickles; on one small task of each kind that it supports, with a small budget
    (or on `task`, with that task's own): shapes and types of its answers, finiteness, causality, device, that results are bitwise
    reproducible and independent of other seeds in the batch, and seconds. Unless tasks are named: the edge cases that suites
    and recordings contain (one and many channels, inputs present and absent, an empty context, float32 data, other units).
    """
    spec, tasks = one_spec(method, "method"), specs_of(task, "task")
    chosen = resolve_method(spec)
    for name in tasks:  # before any process starts
        resolve_task(name, "tiny")
    findings = [_frozen(chosen), _pickles(chosen)]
    tries = [((name, None),) for name in tasks] or _small(chosen)
    if not tries:
        wanted = ", ".join(sorted(single for single, _ in KINDS.values()))
        raise UserError(f"method '{chosen.label}' implements no protocol; write one of: {wanted}")
    with Local(1, Limits(timeout), device) as executor:
        for instances in tries:
            findings += _first_that_suits(spec, instances, executor, device)
        for kind in () if tasks else CASES:
            findings += _edges(spec, chosen, kind, executor, device)
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


def _small(method: Method) -> list[tuple[Small, ...]]:
    """The small tasks of each kind that the method can be put to."""
    return [tasks for tasks in _SMALL if applies(method, resolve_task(tasks[0][0], "tiny"))]


def _first_that_suits(method: Spec, tasks: Sequence[Small], executor: Executor, device: str) -> list[Finding]:
    """What is found on the first task that the method does not refuse (by a `UserError`)."""
    found: list[Finding] = []
    for place, (task, budget) in enumerate(tasks):
        made = functools.partial(_rows, method, task, budget, executor, device)
        rows = made(2)
        refused = [row for row in rows if str(row["reason"]).startswith("UserError")]
        if not refused or place == len(tasks) - 1:
            return found + _tried(rows, made)
        found.append(Finding(f"{rows[0]['task']}: refused, so another is tried", True, str(refused[0]["reason"])))
    return found


def _edges(method: Spec, chosen: Method, kind: type, executor: Executor, device: str) -> list[Finding]:
    """What a method does on the edge cases of a kind of problem; one that it refuses in words is no fault."""
    cls, cases = CASES[kind]
    tasks = {
        case: Spec(f"{cls.__module__}:{cls.__name__}", {"case": case}, f"{kind.__name__}/{case}") for case in cases
    }
    if not applies(chosen, resolve_task(tasks[cases[0]], "tiny")):
        return []
    rows = {case: _rows(method, task, _EDGE_BUDGET, executor, device, 1)[0] for case, task in tasks.items()}
    return [
        _edge(f"edge case, {kind.__name__.lower()}, {case}", row, rows[cases[0]], case) for case, row in rows.items()
    ]


def _edge(what: str, row: Row, plain: Row, case: str) -> Finding:
    reason = str(row["reason"])
    if reason.startswith("UserError"):
        return Finding(what, True, f"refused: {reason.removeprefix('UserError: ')}")
    if row["status"] != "ok":
        return Finding(what, False, f"{row['status']}: {reason}")
    if case in SAME_SKILL and plain["status"] == "ok":
        own, other = float(row["primary"]["value"]), float(plain["primary"]["value"])
        if abs(own - other) > _SAME * other:
            return Finding(
                what, False, f"the error depends on units: {other:.3g} plain, {own:.3g} here; look for constants"
            )
    return Finding(what, True, "runs and returns valid output")


def _tried(first: list[Row], again: Callable[[int], list[Row]]) -> list[Finding]:
    """What two seeds say, then the same two once more, then with a third as neighbor."""
    task = first[0]["task"]
    bad = [row for row in first if row["status"] != "ok"]
    told = f"{bad[0]['status']}, seed {bad[0]['seed']}: {bad[0]['reason']}" if bad else ""
    found = [Finding(f"{task}: runs and returns valid output", not bad, told)]
    if any(row["status"] not in SCORED for row in first):
        return found
    for what, seeds, remedy in (
        ("bitwise reproducible", 2, "draw numbers from run.generator or run.numpy only"),
        ("independent of other seeds in the batch", 3, "the scores of a seed change with the seeds beside it"),
    ):
        same = _same(first, again(seeds))
        found.append(Finding(f"{task}: {what}", same, "" if same else remedy))
    seconds = sum(row["fit_seconds"] + row["predict_seconds"] for row in first) / len(first)
    score = ", ".join(f"{row['primary']['value']:.3g}" for row in first)
    return [*found, Finding(f"{task}: time", True, f"{seconds:.2g} s a run; {first[0]['primary']['score']} {score}")]


def _rows(method: Spec, task: Spec, budget: int | None, executor: Executor, device: str, seeds: int) -> list[Row]:
    """The rows of so many seeds, by seed; in no store."""
    plan = expand(Suite("check", "", (Entry((task,), (method,), "tiny", seeds, budget),)), device=device)
    for cohort in cohorts(plan.runs):
        executor.submit(cohort)
    made = [
        {**run.row, **result}
        for outcome in executor.completed()
        for run, result in zip(outcome.cohort.runs, outcome.results, strict=True)
    ]
    return sorted(made, key=lambda row: int(row["seed"]))


def _same(some: list[Row], others: list[Row]) -> bool:
    by_seed = {row["seed"]: row for row in others}
    return all(repr(row.get("scores")) == repr(by_seed[row["seed"]].get("scores")) for row in some)
