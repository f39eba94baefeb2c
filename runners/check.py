"""`dynamark check`: tests a method for common faults before a long run."""

from __future__ import annotations

import functools
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
from dynamark.runners.registry import Method, resolve_method, resolve_task, unpicklable
from dynamark.runners.spec import Spec, parse
from dynamark.tasks.problems import KINDS

__all__ = ["Finding", "check"]

# A task, and a budget of steps or passes (None leaves it to the task).
Small = tuple[Spec, int | None]

# Small tasks of each kind; all of them take seconds together. If a method rejects the first of a kind, the next is tried. The
# first forecasting task has trajectories long enough for windows and washouts; the second has inputs.
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


# Training steps on an edge case, and the relative difference of errors allowed between cases that differ only in units.
_EDGE_BUDGET, _SAME = 10, 0.05


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    what: what was checked. ok: whether the check passed. detail: why it failed and how to correct it, or measured values.
    """

    what: str
    ok: bool
    detail: str


def check(
    method: Given, *, task: Given | Iterable[Given] = (), timeout: float = 120.0, device: Literal["cpu", "cuda"] = "cpu"
) -> list[Finding]:
    """Check a method for common faults on small tasks, in isolated processes.

    Checks that the method can be imported, is a frozen dataclass and can be pickled. Then fits it with a small budget on one
    small task of each kind that it supports and checks shapes and types of the output, NaN and infinity, causality and device,
    that results are bitwise reproducible, and that they do not depend on the other seeds in the batch. Finally runs edge cases
    that suites and recordings contain: one and many channels, with and without inputs, an empty context, float32 data, other
    units.

    method: a name, `path/mine.py:Mine`, a class or an instance.
    task: check on these tasks instead (tiny tier, with their own budgets, without edge cases): a name, a class, an instance,
        or a list of these.
    timeout: time limit per run, in seconds.

    Returns one `Finding` per check. Raises `UserError` when the method cannot be loaded or solves no kind of problem.
    """
    spec, tasks = one_spec(method, "method"), specs_of(task, "task")
    chosen = resolve_method(spec)
    for name in tasks:  # before any process starts
        resolve_task(name, "tiny")
    findings = [_frozen(chosen), _pickles(chosen)]
    tries = [((name, None),) for name in tasks] or _small(chosen)
    if not tries:
        wanted = ", ".join(sorted(single for single, _ in KINDS.values()))
        raise UserError(f"method '{chosen.label}' solves no kind of problem; implement one of: {wanted}")
    # Runs are repeated below another base process: what a process inherits (addresses of objects) is not the same there.
    with Local(1, Limits(timeout), device) as executor, Local(1, Limits(timeout), device) as fresh:
        for instances in tries:
            findings += _first_that_suits(spec, instances, executor, fresh, device)
        for kind in () if tasks else CASES:
            findings += _edges(spec, chosen, kind, executor, device)
    return findings


def _frozen(method: Method) -> Finding:
    return Finding(
        "frozen dataclass",
        method.frozen,
        "" if method.frozen else "write @dataclass(frozen=True): the fields identify a run and must not change",
    )


def _pickles(method: Method) -> Finding:
    reason = unpicklable(method.target, method.fields)
    return Finding("pickles", not reason, reason)


def _small(method: Method) -> list[tuple[Small, ...]]:
    """The small tasks of each kind that the method solves."""
    return [tasks for tasks in _SMALL if applies(method, resolve_task(tasks[0][0], "tiny"))]


def _first_that_suits(
    method: Spec, tasks: Sequence[Small], executor: Executor, fresh: Executor, device: str
) -> list[Finding]:
    """The findings on the first task that the method does not reject with a `UserError`."""
    findings: list[Finding] = []
    for place, (task, budget) in enumerate(tasks):
        rows = _rows(method, task, budget, executor, device, 2)
        rejected = [row for row in rows if str(row["reason"]).startswith("UserError")]
        if not rejected or place == len(tasks) - 1:
            return findings + _tried(rows, functools.partial(_rows, method, task, budget, fresh, device))
        reason = str(rejected[0]["reason"])
        findings.append(Finding(f"{rows[0]['task']}: rejected by the method, trying another task", True, reason))
    return findings


def _edges(method: Spec, chosen: Method, kind: type, executor: Executor, device: str) -> list[Finding]:
    """The findings on the edge cases of a kind of problem. A method may reject a case with a `UserError`."""
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
        return Finding(what, True, f"rejected by the method: {reason.removeprefix('UserError: ')}")
    if row["status"] != "ok":
        return Finding(what, False, f"{row['status']}: {reason}")
    if case in SAME_SKILL and plain["status"] == "ok":
        own, other = float(row["primary"]["value"]), float(plain["primary"]["value"])
        if abs(own - other) > _SAME * other:
            return Finding(
                what,
                False,
                f"the error depends on the units of the data: {other:.3g} unscaled, {own:.3g} scaled; "
                "look for constants that should scale with the data",
            )
    return Finding(what, True, "runs and returns valid output")


def _tried(first: list[Row], again: Callable[[int], list[Row]]) -> list[Finding]:
    """The findings on one task: two seeds, the same two seeds again, and once more with a third seed in the batch."""
    task = first[0]["task"]
    bad = [row for row in first if row["status"] != "ok"]
    problem = f"{bad[0]['status']}, seed {bad[0]['seed']}: {bad[0]['reason']}" if bad else ""
    findings = [Finding(f"{task}: runs and returns valid output", not bad, problem)]
    if any(row["status"] not in SCORED for row in first):
        return findings
    for what, seeds, remedy in (
        ("bitwise reproducible", 2, "draw random numbers from run.generator or run.numpy only"),
        ("independent of other seeds in the batch", 3, "the scores of a seed depend on the other seeds in its batch"),
    ):
        same = _same(first, again(seeds))
        findings.append(Finding(f"{task}: {what}", same, "" if same else remedy))
    seconds = sum(row["fit_seconds"] + row["predict_seconds"] for row in first) / len(first)
    scores = ", ".join(f"{row['primary']['value']:.3g}" for row in first)
    detail = f"{seconds:.2g} s per run; {first[0]['primary']['score']} {scores}"
    return [*findings, Finding(f"{task}: time", True, detail)]


def _rows(method: Spec, task: Spec, budget: int | None, executor: Executor, device: str, seeds: int) -> list[Row]:
    """The rows of the first `seeds` seeds, in order; they are not saved."""
    plan = expand(Suite("check", "", (Entry((task,), (method,), "tiny", seeds, budget),)), device=device)
    for cohort in cohorts(plan.runs):
        executor.submit(cohort)
    rows = [
        {**run.row, **result}
        for outcome in executor.completed()
        for run, result in zip(outcome.cohort.runs, outcome.results, strict=True)
    ]
    return sorted(rows, key=lambda row: int(row["seed"]))


def _same(some: list[Row], others: list[Row]) -> bool:
    by_seed = {row["seed"]: row for row in others}
    return all(repr(row.get("scores")) == repr(by_seed[row["seed"]].get("scores")) for row in some)
