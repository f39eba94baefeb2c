"""From a suite to planned runs, and to those that are still to be done."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dynamark.errors import UserError
from dynamark.results.keys import source_digest
from dynamark.results.schema import FAILED
from dynamark.runners.cohorts import Planned, PlannedExperiment, PlannedRun
from dynamark.runners.plugins import (
    Method,
    load,
    matching,
    method_names,
    parse,
    resolve_experiment,
    resolve_method,
    resolve_task,
    source_file,
    task_names,
)
from dynamark.runners.suite import Entry, Suite
from dynamark.runners.trials import open_fields
from dynamark.runners.validation import ANSWERS
from dynamark.tasks.base import Task
from dynamark.tasks.problems import KINDS

__all__ = ["Plan", "applies", "expand", "pending"]

# What stands for the method where a task is left out altogether.
_EVERY = "every method"


@dataclass(frozen=True)
class Plan:
    """The runs of a suite, and the combinations (task, method) that do not apply or cannot be had here, with the reason."""

    runs: tuple[Planned, ...]
    not_applicable: tuple[tuple[str, str, str], ...]


def expand(
    suite: Suite,
    *,
    task: Sequence[str] = (),
    method: Sequence[str] = (),
    seeds: int | Sequence[int] | None = None,
    tier: str | None = None,
    device: str = "cpu",
    salt: str = "",
) -> Plan:
    """The runs of a suite. `task` (globs) and `method` (specs) narrow it; a method that is not in it joins all its tasks.

    seeds: so many, counted from 0, or these; by default the suite's number.
    """
    wanted = None if seeds is None else _seeds(seeds)
    resolved = functools.cache(resolve_method)  # for this plan only: a file may change between two plans
    runs: dict[str, Planned] = {}
    skipped: dict[tuple[str, str, str], None] = {}
    for entry in _narrowed(suite, method, resolved):
        for name in _chosen_tasks(entry, task):
            instance = resolve_task(name, tier or entry.tier, salt)
            if instance.unavailable is not None:
                skipped[instance.name, _EVERY, instance.unavailable] = None
                continue
            source = _task_source(instance)
            budget = instance.budget if entry.budget is None else entry.budget
            for chosen in _applicable(entry, instance, resolved, skipped):
                for seed in wanted or range(entry.seeds):
                    run = PlannedRun(suite.name, instance, chosen, seed, budget, device, source)
                    runs.setdefault(run.key, run)
    for experiment in [] if method else _experiments(suite, task, wanted, device, salt):
        runs.setdefault(experiment.key, experiment)
    if not runs:
        raise UserError(_nothing(suite, task, method, list(skipped)))
    return Plan(tuple(runs.values()), tuple(skipped))


def _applicable(
    entry: Entry, task: Task, resolved: Callable[..., Method], skipped: dict[tuple[str, str, str], None]
) -> Iterable[Method]:
    """The methods of an entry that a task can be put to; of those given by name that it cannot, the reason goes to `skipped`."""
    for spec, by_name in _expanded(entry.methods, method_names):
        method = resolved(spec, entry.choose)
        if not applies(method, task):
            if by_name:
                skipped[task.name, method.label, f"has no {KINDS[task.kind][0]}"] = None
            continue
        if (fields := open_fields(method.fields)) and task.kind not in ANSWERS:
            told = f"'{method.label}' is to choose '{min(fields)}' on validation data, and {task.name} has none"
            raise UserError(f"{told}; give one value")
        yield method


def _seeds(told: int | Sequence[int]) -> Sequence[int]:
    """The seeds that a number of them, or a list, stands for."""
    wanted = range(told) if isinstance(told, int) else tuple(dict.fromkeys(told))
    if not wanted or min(wanted) < 0:
        raise UserError(
            f"--seeds {told} is not a positive whole number, nor a list of seeds; write 5 (0 to 4), 7-9 or 0,3,7-9"
        )
    return wanted


def _experiments(
    suite: Suite, globs: Sequence[str], seeds: Sequence[int] | None, device: str, salt: str
) -> Iterable[PlannedExperiment]:
    for spec, count in suite.experiments:
        if not globs or any(matching(glob, [spec, parse(spec).name]) for glob in globs):
            experiment = resolve_experiment(spec)
            yield from (PlannedExperiment(suite.name, experiment, k, device, salt) for k in seeds or range(count))


def _narrowed(suite: Suite, specs: Sequence[str], resolved: Callable[..., Method]) -> Iterable[Entry]:
    """The entries with the chosen methods only; those that no entry lists are put to every task.

    A bare name stands for what the entry lists under it, with the entry's own fields.
    """
    if not specs:
        return suite.entries
    listed = {name for entry in suite.entries for m in entry.methods for name in _known_as(m)}
    new = tuple(s for s in specs if parse(s).name not in listed)
    narrowed = []
    for entry in suite.entries:
        if own := [found for s in specs for found in _listed(s, entry.methods)]:
            narrowed.append(replace(entry, methods=tuple(own)))
    return [*narrowed, *(place for spec in new for place in _joined(suite, spec, resolved))]


def _joined(suite: Suite, spec: str, resolved: Callable[..., Method]) -> Iterable[Entry]:
    """Where a method joins that no entry lists: each task once, with methods that choose fields if it has those fields too.

    What it has not it does not choose. Without such fields it stands with the methods that choose nothing.
    """
    names = [name for name, _ in _expanded([spec], method_names)]
    has = set.intersection(*(set(resolved(name, ()).fields) for name in names)) if names else set()

    def unlike(entry: Entry) -> tuple[bool, bool]:
        return not {field for field, _ in entry.choose} <= has, not entry.choose

    taken: set[tuple[str, str]] = set()
    for entry in sorted(suite.entries, key=unlike):
        tasks = tuple(name for name in _chosen_tasks(entry, ()) if (name, entry.tier) not in taken)
        taken.update((name, entry.tier) for name in tasks)
        choose = tuple(choice for choice in entry.choose if choice[0] in has)
        yield replace(entry, tasks=tasks, methods=(spec,), choose=choose)


def _listed(wanted: str, methods: Sequence[str]) -> Sequence[str]:
    """What an entry has of a wanted spec: under a bare name its own specs, otherwise the wanted one where it has that method."""
    name = parse(wanted).name
    named = [m for m in methods if name in _known_as(m)]
    return [wanted] if named and wanted != name else named


def _known_as(spec: str) -> set[str | None]:
    """The name of a spec, and the alias under which it stands."""
    return {parse(spec).name, parse(spec).alias}


def _chosen_tasks(entry: Entry, globs: Sequence[str]) -> list[str]:
    names = [name for name, _ in _expanded(entry.tasks, task_names)]
    if not globs:
        return names
    return [name for name in names if any(matching(g, [name, parse(name).name]) for g in globs)]


def _expanded(specs: Sequence[str], known: Callable[[], Mapping[str, str]]) -> list[tuple[str, bool]]:
    """Specs with globs replaced by the names that they find, and whether each was given by name."""
    found: dict[str, bool] = {}
    for spec in specs:
        if any(sign in spec.partition("(")[0] for sign in "*?["):
            for name in matching(spec, sorted(known())):
                found.setdefault(name, False)
        else:
            found[spec] = True
    return list(found.items())


def applies(method: Method, task: Task) -> bool:
    """Whether a method implements the protocol of the task's kind."""
    cls = load(method.target, "method")
    return any(hasattr(cls, name) for name in KINDS[task.kind])


@functools.cache
def _source_of(cls: type) -> str:
    return source_digest(source_file(f"{cls.__module__}:{cls.__name__}"))


def _task_source(task: Task) -> str:
    cls = type(task)
    module = cls.__module__
    if module.startswith("dynamark_plugin_"):
        import sys
        from pathlib import Path

        return source_digest(Path(str(sys.modules[module].__file__)))
    return _source_of(cls)


def _nothing(suite: Suite, task: Sequence[str], method: Sequence[str], skipped: list[tuple[str, str, str]]) -> str:
    if skipped:
        left_out, by, why = skipped[0]
        if by == _EVERY:
            return f"nothing to run: {left_out} {why}"
        return f"nothing to run: method '{by}' {why}, which the tasks of suite '{suite.name}' ask for"
    names = sorted({t for entry in suite.entries for t in entry.tasks})
    return f"nothing in suite '{suite.name}' matches --task {' '.join(task)}; its tasks: {', '.join(names)}"


def pending(
    runs: Sequence[Planned], done: Mapping[str, str], *, force: bool = False, retry_failed: bool = False
) -> list[Planned]:
    """The runs that are not in the store yet (with `retry_failed`: nor failed there; with `force`: all)."""
    if force:
        return list(runs)
    again = set(FAILED) if retry_failed else set()
    return [run for run in runs if run.key not in done or done[run.key] in again]
