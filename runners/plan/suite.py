"""Suites: named lists of runs, in TOML. Their specs are read when the file is, so that a bad one names its file and line.

Paths in a suite file are relative to that file.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from dynamark.errors import UserError, one_line, storable, unknown
from dynamark.runners.spec import Choices, Spec, parse, relative_to

__all__ = ["LARGEST_SEED", "MOST_SEEDS", "SHIPPED", "Entry", "Suite", "load_suite", "suite_names"]

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
class Suite:
    """A suite: a named list of runs.

    about: its purpose. entries: its tasks and methods. left_out: combinations that it leaves out, with reasons.
    experiments: specs of experiments with their numbers of seeds; only the suites of claims have experiments.
    """

    name: str
    about: str
    entries: tuple[Entry, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    experiments: tuple[tuple[Spec, int], ...] = ()


def suite_names() -> list[str]:
    """The names of the suites that ship with dynamark."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


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
        if key not in {"about", *_DEFAULTS, "runs", "left_out"}:
            raise wrong(f"unknown key '{one_line(key, 60)}'; known keys: about, tier, seeds, budget, runs, left_out")
    entries = [_entry(path, entry, config, text, wrong) for entry in _tables(config.get("runs"), "runs", wrong)]
    if not entries:
        raise wrong("no [[runs]]; add at least one with tasks and methods")
    left_out = []
    for entry in _tables(config.get("left_out", []), "left_out", wrong):
        if not {"what", "reason"} <= set(entry):
            raise wrong("each [[left_out]] needs the keys what and reason")
        left_out.append((str(entry["what"]), str(entry["reason"])))
    return Suite(path.stem, str(config.get("about", "")), tuple(entries), tuple(left_out))


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
