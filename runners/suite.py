"""Suites: named lists of runs, in TOML."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from dynamark.errors import UserError, unknown

__all__ = ["Entry", "Suite", "load_suite", "suite_names"]

# What stands at the top for all entries, and may stand in one.
_DEFAULTS = ("tier", "seeds", "budget")

_SHIPPED = Path(__file__).parent / "suites"


@dataclass(frozen=True)
class Entry:
    """Every one of these methods on every one of these tasks.

    tasks, methods: specs, or globs of names; of the methods that a glob finds those count that apply to a task.
    budget: training steps or passes at most; None leaves it to the task.
    choose: fields with the values among which each method chooses, by its error on validation data.
    """

    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    tier: str
    seeds: int
    budget: int | None = None
    choose: tuple[tuple[str, tuple[Any, ...]], ...] = ()


@dataclass(frozen=True)
class Suite:
    """A suite: what it is for, its entries, and what it leaves out, with the reason.

    experiments: specs of experiments with their numbers of seeds; claims bring them, suite files hold none.
    """

    name: str
    about: str
    entries: tuple[Entry, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    experiments: tuple[tuple[str, int], ...] = ()


def suite_names() -> list[str]:
    """The shipped suites."""
    return sorted(path.stem for path in _SHIPPED.glob("*.toml"))


def load_suite(name: str) -> Suite:
    """A shipped suite by name, or a file."""
    path = Path(name) if name.endswith(".toml") else _SHIPPED / f"{name}.toml"
    if not path.is_file():
        if name.endswith(".toml"):
            raise UserError(f"the suite file {name} does not exist")
        raise unknown("suite", name, suite_names())
    try:
        told = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"suite {path} is not valid TOML: {error}") from None
    return _suite(path, told)


def _suite(path: Path, told: dict[str, Any]) -> Suite:
    def wrong(what: str) -> UserError:
        return UserError(f"suite {path}: {what}")

    for key in told:
        if key not in {"about", *_DEFAULTS, "runs", "left_out"}:
            raise wrong(f"unknown key '{key}'; a suite has about, tier, seeds, budget, runs and left_out")
    entries = []
    for entry in _tables(told.get("runs"), "runs", wrong):
        for key in entry:
            if key not in {"tasks", "methods", "choose", *_DEFAULTS}:
                raise wrong(
                    f"unknown key '{key}' in [[runs]]; an entry has tasks, methods, tier, seeds, budget, choose"
                )
        tier, seeds, budget = (entry.get(key, told.get(key)) for key in _DEFAULTS)
        if not isinstance(tier, str):
            raise wrong('no tier; write tier = "tiny" at the top')
        if not _counts(seeds):
            raise wrong(f"seeds = {seeds!r} is not a positive whole number")
        if budget is not None and not _counts(budget):
            raise wrong(f"budget = {budget!r} is not a positive whole number")
        tasks, methods = (_texts(entry.get(key), key, wrong) for key in ("tasks", "methods"))
        choose = _choices(entry.get("choose", {}), wrong)
        entries.append(Entry(tasks, methods, tier, seeds, budget, choose))
    if not entries:
        raise wrong("no [[runs]]; write at least one with tasks and methods")
    left_out = []
    for entry in _tables(told.get("left_out", []), "left_out", wrong):
        if not {"what", "reason"} <= set(entry):
            raise wrong("an entry of [[left_out]] needs what and reason")
        left_out.append((str(entry["what"]), str(entry["reason"])))
    return Suite(path.stem, str(told.get("about", "")), tuple(entries), tuple(left_out))


def _choices(value: Any, wrong: Any) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    """{ rate = [0.003, 0.01] } as pairs of a field and its values."""
    if not isinstance(value, dict) or not all(isinstance(v, list) and v for v in value.values()):
        raise wrong(f"choose must be fields with lists of values, as {{ rate = [0.003, 0.01] }}, not {value!r}")
    return tuple((field, tuple(values)) for field, values in value.items())


def _counts(value: Any) -> TypeGuard[int]:
    return type(value) is int and value > 0


def _tables(value: Any, key: str, wrong: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
        raise wrong(f"no [[{key}]] tables")
    return value


def _texts(value: Any, key: str, wrong: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise wrong(f"{key} must be a list of names, not {value!r}")
    return tuple(value)
