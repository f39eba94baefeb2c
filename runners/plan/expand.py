"""Expands a suite to a plan, and selects the runs of a plan that are not cached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dynamark.errors import UserError, one_line, storable
from dynamark.results.keys import FOREIGN
from dynamark.results.schema import FAILED
from dynamark.runners.plan.cohorts import Planned, PlannedExperiment, PlannedRun
from dynamark.runners.plan.draw import with_search
from dynamark.runners.plan.suite import LARGEST_SEED, MOST_SEEDS, Entry, Suite
from dynamark.runners.registry import (
    Method,
    class_source,
    method_names,
    resolve_experiment,
    resolve_method,
    resolve_task,
    task_names,
)
from dynamark.runners.spec import Spec
from dynamark.tasks.base import Task
from dynamark.tasks.problems import KINDS

__all__ = ["Plan", "applies", "expand", "kinds_of", "pending"]

# What stands for the method where a task is left out altogether.
_EVERY = "every method"

_LONGEST_SALT = 200  # characters


@dataclass(frozen=True)
class Plan:
    """The runs of a suite, and the skipped combinations (task, method, reason)."""

    runs: tuple[Planned, ...]
    not_applicable: tuple[tuple[str, str, str], ...]

    @property
    def keys(self) -> list[str]:
        """The keys of all planned runs."""
        return [run.key for run in self.runs]


def expand(
    suite: Suite,
    *,
    task: Sequence[Spec] = (),
    method: Sequence[Spec] = (),
    seeds: int | Sequence[int] | None = None,
    tier: str | None = None,
    device: str = "cpu",
    salt: str = "",
) -> Plan:
    """Expand a suite to its runs.

    task: run only these tasks (specs or globs). A task not in the suite runs with all its methods.
    method: run only these methods. A method not in the suite runs on all its tasks.
    seeds: number of seeds (5 means seeds 0 to 4), or a list of seeds. Default: set by the suite.
    """
    if not storable(salt, _LONGEST_SALT):
        raise UserError(
            f"invalid salt '{one_line(salt, 40)}': expected at most {_LONGEST_SALT} printable characters (UTF-8)"
        )
    wanted = None if seeds is None else _seeds(seeds)
    resolver = _Resolver()
    runs: dict[str, Planned] = {}
    instances: dict[tuple[str, str], Task] = {}
    skipped: dict[tuple[str, str, str], None] = {}
    for entry in _with_methods(_with_tasks(suite.entries, task), method, resolver):
        for spec in _expanded(entry.tasks, task_names):
            instance = resolve_task(spec, tier or entry.tier, salt)
            if instance.unavailable is not None:
                skipped[instance.name, _EVERY, instance.unavailable] = None
                continue
            _refuse_namesake(instances.setdefault((instance.name, instance.tier), instance), instance)
            source = _source(type(instance))
            budget = instance.budget if entry.budget is None else entry.budget
            for chosen in _applicable(entry, instance, resolver, skipped):
                for seed in wanted or range(entry.seeds):
                    run = PlannedRun(suite.name, instance, chosen, seed, budget, device, source)
                    runs.setdefault(run.key, run)
    for experiment in [] if method else _experiments(suite, task, wanted, device, salt):
        runs.setdefault(experiment.key, experiment)
    if not runs:
        raise UserError(_nothing(suite, task, list(skipped)))
    return Plan(tuple(runs.values()), tuple(skipped))


def _refuse_namesake(first: Task, second: Task) -> None:
    """Two tasks of one name would replace each other in every table."""
    if first.digest != second.digest:
        raise UserError(f"two different tasks are called '{first.name}'; give one another name: other={first.name}")


def _source(task: type) -> str:
    """The digest of a task's source; of one from elsewhere it is marked, and counts in the key."""
    digest = class_source(task)
    return digest if task.__module__.startswith("dynamark.") else f"{FOREIGN}{digest}"


def kinds_of(suite: Suite) -> list[type]:
    """The kinds of problem of the tasks of a suite."""
    return [
        resolve_task(spec, entry.tier).kind for entry in suite.entries for spec in _expanded(entry.tasks, task_names)
    ]


class _Resolver:
    """Resolves each method once a plan, and not longer: a file may change between two plans."""

    def __init__(self) -> None:
        self._methods: dict[tuple[str, str, int], Method] = {}

    def __call__(self, spec: Spec, choose: Mapping[str, Sequence[object]], candidates: int = 1) -> Method:
        key = (str(spec), repr(choose), candidates)
        if key not in self._methods:
            method = resolve_method(spec, choose)
            self._methods[key] = with_search(method, spec, candidates) if candidates > 1 else method
        return self._methods[key]


def _applicable(
    entry: Entry, task: Task, resolver: _Resolver, skipped: dict[tuple[str, str, str], None]
) -> Iterable[Method]:
    """The methods of an entry that a task can be put to; of those given by name that it cannot, the reason goes to `skipped`."""
    by_name = {spec for spec in entry.methods if not spec.is_glob}
    for spec in _expanded(entry.methods, method_names):
        method = resolver(spec, entry.choose, entry.candidates)
        if not applies(method, task):
            if spec in by_name and not entry.lenient:
                skipped[task.name, method.label, f"has no {KINDS[task.kind][0]}"] = None
            continue
        yield method


def _seeds(seeds: int | Sequence[int]) -> Sequence[int]:
    """The list of seeds for a number of seeds or a list of seeds."""
    count = seeds if isinstance(seeds, int) else len(seeds)
    if count > MOST_SEEDS:
        raise UserError(f"invalid seeds: expected at most {MOST_SEEDS} of them")
    wanted = range(seeds) if isinstance(seeds, int) else tuple(dict.fromkeys(seeds))
    if not wanted or min(wanted) < 0 or max(wanted) > LARGEST_SEED:
        given = seeds if isinstance(seeds, int) else list(seeds)
        raise UserError(
            f"invalid seeds {one_line(str(given), 60)}: expected a positive number of seeds or a list of seeds: "
            "5 (seeds 0-4), 7-9 or 0,3,7-9, each below 2^63"
        )
    return wanted


def _experiments(
    suite: Suite, globs: Sequence[Spec], seeds: Sequence[int] | None, device: str, salt: str
) -> Iterable[PlannedExperiment]:
    for spec, count in suite.experiments:
        if not globs or any(spec.matches(glob.label) for glob in globs):
            experiment = resolve_experiment(spec)
            yield from (PlannedExperiment(suite.name, experiment, k, device, salt) for k in seeds or range(count))


# --- narrowing: what a user asks for against what the suite lists


def _with_tasks(entries: Sequence[Entry], wanted: Sequence[Spec]) -> Sequence[Entry]:
    """The entries with the chosen tasks only; a task that no entry lists is put to the methods of every entry."""
    if not wanted:
        return entries
    listed = [replace(entry, tasks=tuple(_expanded(entry.tasks, task_names))) for entry in entries]
    narrowed, met = [], set()
    for entry in listed:
        pairs = [(spec, glob) for spec in entry.tasks for glob in wanted if spec.matches(glob.label) or spec == glob]
        met |= {glob for _, glob in pairs}
        if pairs:
            narrowed.append(replace(entry, tasks=tuple(dict.fromkeys(spec for spec, _ in pairs))))
    new = tuple(spec for spec in wanted if spec not in met and _names_a_task(spec))
    return [*narrowed, *(_put_to(new, listed) if new else [])]


def _put_to(tasks: tuple[Spec, ...], entries: Sequence[Entry]) -> Iterable[Entry]:
    """Tasks that no entry lists, put to each method once: as the first entry has it, whatever the budgets of others."""
    taken: set[tuple[Spec, str]] = set()
    for entry in entries:
        methods = [spec for spec in _expanded(entry.methods, method_names) if (spec, entry.tier) not in taken]
        taken.update((spec, entry.tier) for spec in methods)
        if methods:
            yield replace(entry, tasks=tasks, methods=tuple(methods), lenient=True)


def _names_a_task(spec: Spec) -> bool:
    """Whether a spec says where its task is, so that it can be more than a pattern for the suite's own tasks."""
    return not spec.is_glob and (":" in spec.name or not spec.is_bare)


def _with_methods(entries: Sequence[Entry], wanted: Sequence[Spec], resolver: _Resolver) -> Sequence[Entry]:
    """The entries with the chosen methods only; those that no entry lists are put to every task.

    A bare name stands for what the entry lists under it, with the entry's own fields.
    """
    if not wanted:
        return entries
    listed = frozenset().union(*(spec.names for entry in entries for spec in entry.methods))
    narrowed = []
    for entry in entries:
        if own := [spec for want in wanted for spec in _listed(want, entry.methods)]:
            narrowed.append(replace(entry, methods=tuple(own)))
    new = [spec for spec in wanted if spec.name not in listed]
    return [*narrowed, *(entry for spec in new for entry in _joined(entries, spec, resolver))]


def _listed(wanted: Spec, methods: Sequence[Spec]) -> Sequence[Spec]:
    """What an entry has of a wanted spec: under a bare name its own specs, otherwise the wanted one where it has that method."""
    named = [spec for spec in methods if wanted.name in spec.names]
    return [wanted] if named and not wanted.is_bare else named


def _joined(entries: Sequence[Entry], spec: Spec, resolver: _Resolver) -> Iterable[Entry]:
    """Where a method joins that no entry lists: each task once, with methods that choose fields if it has those fields too.

    What it has not it does not choose. Without such fields it stands with the methods that choose nothing.
    """
    fields = [set(resolver(method, {}).fields) for method in _expanded([spec], method_names)]
    has = set.intersection(*fields) if fields else set()

    def unlike(entry: Entry) -> tuple[bool, bool]:
        return not set(entry.choose) <= has, not entry.choose

    taken: set[tuple[Spec, str]] = set()
    for entry in sorted(entries, key=unlike):
        tasks = tuple(task for task in _expanded(entry.tasks, task_names) if (task, entry.tier) not in taken)
        taken.update((task, entry.tier) for task in tasks)
        choose = {name: values for name, values in entry.choose.items() if name in has}
        yield replace(entry, tasks=tasks, methods=(spec,), choose=choose)


def _expanded(specs: Sequence[Spec], known: Callable[[], Mapping[str, str]]) -> list[Spec]:
    """Specs with globs replaced by the names that match; each once."""
    expanded: dict[Spec, None] = {}
    for spec in specs:
        names = [name for name in sorted(known()) if Spec(name).matches(spec.name)] if spec.is_glob else [spec.name]
        expanded.update((spec.renamed(name), None) for name in names)
    return list(expanded)


def applies(method: Method, task: Task) -> bool:
    """Whether a method implements the protocol of the task's kind."""
    return any(name in method.abilities for name in KINDS[task.kind])


def _nothing(suite: Suite, task: Sequence[Spec], skipped: list[tuple[str, str, str]]) -> str:
    if skipped:
        name, by, why = skipped[0]
        if by == _EVERY:
            return f"nothing to run: {name} {why}"
        return f"nothing to run: method '{by}' {why}, which the tasks of suite '{suite.name}' require"
    names = sorted({spec.label for entry in suite.entries for spec in entry.tasks})
    globs = " ".join(spec.label for spec in task)
    return f"no task in suite '{suite.name}' matches {globs}; its tasks: {', '.join(names)}"


def pending(
    runs: Sequence[Planned], done: Mapping[str, str], *, force: bool = False, retry_failed: bool = False
) -> list[Planned]:
    """The runs that are not in the store. `retry_failed` adds those that failed; `force` selects all runs."""
    if force:
        return list(runs)
    again = set(FAILED) if retry_failed else set()
    return [run for run in runs if run.key not in done or done[run.key] in again]
