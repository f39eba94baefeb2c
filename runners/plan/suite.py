"""Suites: named lists of runs, in TOML. Their specs are read when the file is, so that a bad one names its file and line.

Paths in a suite file are relative to that file.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeGuard

from dynamark.errors import UserError, one_line, storable, unknown
from dynamark.runners.spec import Choices, Spec, parse, relative_to

__all__ = [
    "LARGEST_SEED",
    "MOST_SEEDS",
    "SHIPPED",
    "Entry",
    "Suite",
    "Sweep",
    "load_suite",
    "shipped_sweeps",
    "suite_names",
]

# The column of seeds has 64 bits; a plan of more seeds would not fit in memory.
LARGEST_SEED, MOST_SEEDS = 2**63 - 1, 100_000

# Characters of the path of a suite, whose name stands in its rows.
_LONGEST_NAME = 1000

# What stands at the top for all entries, and may stand in one.
_DEFAULTS = ("tier", "seeds", "budget")

SHIPPED = Path(__file__).parents[1] / "suites"

# From what is wrong to the error that names the file.
Wrong = Callable[[str], UserError]


@dataclass(frozen=True)
class Entry:
    """Runs every listed method on every listed task.

    tasks, methods: specs, or globs of names. Methods that a glob matches are skipped on tasks that they do not solve.
    budget: maximum number of training steps or operator passes. Default: set by the task.
    choose: fields with the values among which each method chooses by its error on validation data.
    candidates: number of settings of each method, drawn from its search space, that compete on validation data.
    lenient: skip methods on tasks that they do not solve without reporting it.
    """

    tasks: tuple[Spec, ...]
    methods: tuple[Spec, ...]
    tier: str
    seeds: int
    budget: int | None = None
    choose: Choices = field(default_factory=dict)
    lenient: bool = False
    candidates: int = 1


@dataclass(frozen=True)
class Sweep:
    """A score as a function of one field of a task: one task per value, the same methods on each.

    name: unique in its suite. question: what the curve answers. entry: its tasks, one per value in the order of `values`.
    field: the field of the task. values: in ascending order.
    score: the name of a score; empty for the primary score. lower_is_better: its direction.
    target: the score for which the smallest value of the field is reported; None to report none.
    suite: the name of its suite.
    """

    name: str
    question: str
    entry: Entry
    field: str
    values: tuple[float, ...]
    score: str = ""
    lower_is_better: bool = True
    target: float | None = None
    suite: str = ""

    @property
    def tasks(self) -> list[str]:
        """The labels of its tasks, in the order of values."""
        return [spec.label for spec in self.entry.tasks]

    @property
    def base(self) -> str:
        """The label of the task without the field."""
        spec = self.entry.tasks[0]
        return replace(spec, fields={k: v for k, v in spec.fields.items() if k != self.field}).label

    @property
    def family(self) -> str:
        """The family of the task."""
        return self.base.split("/")[0]


@dataclass(frozen=True)
class Suite:
    """A suite: a named list of runs.

    about: its purpose. entries: its tasks and methods. left_out: combinations that it leaves out, with reasons.
    sweeps: those of its entries that vary one field of a task; every sweep's entry is among the entries.
    experiments: specs of experiments with their numbers of seeds; only the suites of claims have experiments.
    """

    name: str
    about: str
    entries: tuple[Entry, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    experiments: tuple[tuple[Spec, int], ...] = ()
    sweeps: tuple[Sweep, ...] = ()


def suite_names() -> list[str]:
    """The names of the suites that ship with dynamark."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


@functools.cache
def shipped_sweeps() -> tuple[Sweep, ...]:
    """The sweeps of the suites that ship with dynamark. Reading them imports no task and no method."""
    return tuple(sweep for name in suite_names() for sweep in load_suite(name).sweeps)


def load_suite(name: str) -> Suite:
    """Load a suite by its name, or from the path of a TOML file."""
    path = Path(name) if name.endswith(".toml") else SHIPPED / f"{name}.toml"
    if not storable(name, _LONGEST_NAME) or not path.is_file():
        if name.endswith(".toml"):
            raise UserError(f"the suite file {name} does not exist; see `dynamark list suites`")
        raise unknown("suite", name, suite_names())
    try:
        text = path.read_text(encoding="utf-8-sig")
        return _suite(path, tomllib.loads(text), text)
    except (OSError, ValueError, RecursionError) as error:  # TOML of another kind, or numbers of thousands of digits
        raise UserError(f"suite {path} is not valid TOML: {error}") from None


def _suite(path: Path, config: dict[str, Any], text: str) -> Suite:
    def wrong(what: str) -> UserError:
        return UserError(f"suite {path}: {what}")

    for key in config:
        if key not in {"about", *_DEFAULTS, "runs", "sweeps", "left_out"}:
            raise wrong(
                f"unknown key '{one_line(key, 60)}'; known keys: about, tier, seeds, budget, runs, sweeps, left_out"
            )
    entries = [_entry(path, entry, config, text, wrong) for entry in _tables(config.get("runs", []), "runs", wrong)]
    tables = _tables(config.get("sweeps", []), "sweeps", wrong)
    sweeps = [_sweep(path, entry, config, text, wrong) for entry in tables]
    if twice := next((a.name for a, b in itertools.combinations(sweeps, 2) if a.name == b.name), None):
        raise wrong(f"two sweeps are called '{twice}'; rename one")
    entries += [sweep.entry for sweep in sweeps]
    if not entries:
        raise wrong("no [[runs]] and no [[sweeps]]; add at least one with tasks and methods")
    left_out = []
    for entry in _tables(config.get("left_out", []), "left_out", wrong):
        if not {"what", "reason"} <= set(entry):
            raise wrong("each [[left_out]] needs the keys what and reason")
        left_out.append((str(entry["what"]), str(entry["reason"])))
    about = str(config.get("about", ""))
    return Suite(path.stem, about, tuple(entries), tuple(left_out), sweeps=tuple(sweeps))


_SWEEP = ("name", "question", "task", "field", "values", "methods")


def _sweep(path: Path, table: dict[str, Any], config: dict[str, Any], text: str, wrong: Wrong) -> Sweep:
    """One [[sweeps]] table; its tasks are the task with each value of the field."""
    known = {*_SWEEP, "score", "better", "target", *_DEFAULTS}
    if strange := sorted(set(table) - known):
        raise wrong(f"unknown key '{one_line(strange[0], 60)}' in [[sweeps]]; known keys: {', '.join(sorted(known))}")
    if missing := [key for key in _SWEEP if key not in table]:
        raise wrong(f"a sweep lacks {missing[0]}; required keys: {', '.join(_SWEEP)}")

    def wrong_here(what: str) -> UserError:
        return wrong(f"sweep {_shown(table['name'])}: {what}")

    for key in ("name", "question", "task", "field", "score"):
        if not isinstance(table.get(key, ""), str):
            raise wrong_here(f"invalid {key} = {_shown(table[key])}: expected a string")
    values, better, target = table["values"], table.get("better", "lower"), table.get("target")
    if not isinstance(values, list) or len(values) < 2 or not all(map(_number, values)):
        raise wrong_here(f"invalid values = {_shown(values)}: expected a list of two or more numbers")
    if any(b <= a for a, b in itertools.pairwise(values)):
        raise wrong_here(f"values {_shown(values)} must be in ascending order, each once")
    if better not in ("lower", "higher"):
        raise wrong_here(f'invalid better = {_shown(better)}: expected "lower" or "higher"')
    if target is not None and not _number(target):
        raise wrong_here(f"invalid target = {_shown(target)}: expected a number")
    task = _spec(path, table["task"], text)
    if task.is_glob or task.alias or table["field"] in task.fields:
        raise wrong_here(f"the task must be one name, without an alias and without the field '{table['field']}'")
    tasks = tuple(replace(task, fields={**task.fields, table["field"]: value}) for value in values)
    rest = {key: table[key] for key in ("methods", *_DEFAULTS) if key in table}
    entry = _entry(path, {**rest, "tasks": [table["task"]]}, config, text, wrong_here)
    if globs := [spec for spec in entry.methods if spec.is_glob]:
        raise wrong_here(f"'{globs[0]}' must be the name of one method, because every method gets a curve")
    return Sweep(
        name=table["name"],
        question=table["question"],
        entry=replace(entry, tasks=tasks),
        field=table["field"],
        values=tuple(values),
        score=table.get("score", ""),
        lower_is_better=better == "lower",
        target=None if target is None else float(target),
        suite=path.stem,
    )


def _number(value: Any) -> bool:
    """A finite number; true and false are none."""
    return type(value) in (int, float) and math.isfinite(value)


def _entry(path: Path, entry: dict[str, Any], config: dict[str, Any], text: str, wrong: Wrong) -> Entry:
    for key in entry:
        if key not in {"tasks", "methods", "choose", *_DEFAULTS}:
            name = one_line(key, 60)
            raise wrong(f"unknown key '{name}' in [[runs]]; known keys: tasks, methods, tier, seeds, budget, choose")
    tier, seeds, budget = (entry.get(key, config.get(key)) for key in _DEFAULTS)
    if not isinstance(tier, str):
        raise wrong('no tier; write tier = "tiny", "standard" or "large" at the top')
    if not _counts(seeds, MOST_SEEDS):
        raise wrong(f"invalid seeds = {_shown(seeds)}: expected a positive integer, at most {MOST_SEEDS}")
    if budget is not None and not _counts(budget, LARGEST_SEED):
        raise wrong(f"invalid budget = {_shown(budget)}: expected a positive integer below 2^63")
    tasks, methods = (
        tuple(_spec(path, spec, text) for spec in _texts(entry.get(key), key, wrong)) for key in ("tasks", "methods")
    )
    return Entry(tasks, methods, tier, seeds, budget, _choices(entry.get("choose", {}), wrong))


def _spec(path: Path, spec: str, text: str) -> Spec:
    try:
        return relative_to(path.parent, parse(spec))
    except UserError as error:
        # TOML's parser tells no lines: the spec is looked for as it is most likely written.
        places = [text.find(quoted) for quoted in (json.dumps(spec, ensure_ascii=False), f"'{spec}'", spec)]
        start = next((place for place in places if place >= 0), 0)
        raise UserError(f"suite {path}, line {text.count(chr(10), 0, start) + 1}: {error}") from None


def _choices(value: Any, wrong: Wrong) -> Choices:
    """{ rate = [0.003, 0.01] }: fields with their values."""
    if not isinstance(value, dict) or not all(isinstance(v, list) and v for v in value.values()):
        raise wrong(
            f"invalid choose = {_shown(value)}: expected lists of values by field, for example {{ rate = [0.003, 0.01] }}"
        )
    return {name: tuple(values) for name, values in value.items()}


def _counts(value: Any, most: int) -> TypeGuard[int]:
    return type(value) is int and 0 < value <= most


def _shown(value: Any) -> str:
    """A value from a file in an error message."""
    try:
        return one_line(repr(value), 60)
    except ValueError:  # an integer of thousands of digits
        return "a very large integer"


def _tables(value: Any, key: str, wrong: Wrong) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
        raise wrong(f"{key} must be written as [[{key}]] tables")
    return value


def _texts(value: Any, key: str, wrong: Wrong) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise wrong(f"{key} must be a list of names, not {_shown(value)}")
    return tuple(value)
