"""Converts what a Python caller gives as a task or method (text, `Spec`, class, instance, or a list of these) to specs."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from dynamark.errors import UserError
from dynamark.methods.catalog import METHODS
from dynamark.runners.cell import module_of_cell
from dynamark.runners.registry import plugin_file
from dynamark.runners.spec import Spec, parse
from dynamark.tasks.catalog import TASKS
from dynamark.tasks.problems import KINDS

__all__ = ["Given", "one_spec", "specs_of"]

# Text that `runners/spec.py` can parse, a spec, a class or an instance.
Given = str | Spec | type | Any

Kind = Literal["task", "method"]

# Fields that every task has and the plan sets; they are not parameters of the task.
_SET_BY_THE_PLAN = {"name", "tier", "salt"}


def specs_of(given: Given | Iterable[Given], kind: Kind) -> list[Spec]:
    """The specs of one argument or a list of them. A single string is one spec, not a list of letters."""
    if isinstance(given, Iterable) and not (isinstance(given, str | type) or dataclasses.is_dataclass(given)):
        return [one_spec(item, kind) for item in given]
    return [one_spec(given, kind)]


def one_spec(given: Given, kind: Kind) -> Spec:
    """The spec of a string, a class (with its defaults) or an instance (with its fields)."""
    if isinstance(given, Spec):
        return given
    if isinstance(given, str):
        return parse(given)
    cls = given if isinstance(given, type) else type(given)
    if not dataclasses.is_dataclass(cls):
        raise UserError(
            f"{kind}={given!r} is not a {kind}; give a name, path/file.py:Class, a dataclass or an instance of a dataclass"
        )
    if kind == "method":
        _check_protocol(cls)
    fields = {} if isinstance(given, type) else _changed(given)
    label = None if kind == "method" else getattr(given, "name", "") or cls.__name__
    return _catalogued(cls, fields, kind) or Spec(_target(cls, kind), fields, label)


def _check_protocol(cls: type) -> None:
    """Raise a `TypeError` that names the missing method when a class solves no kind of problem."""
    wanted = [name for names in KINDS.values() for name in names]
    if not any(callable(getattr(cls, name, None)) for name in wanted):
        raise TypeError(
            f"{cls.__name__} solves no kind of problem: it must implement fit_forecaster(problem, run), or one of "
            f"{', '.join(sorted(single for single, _ in KINDS.values() if single != 'fit_forecaster'))}"
        )


def _changed(instance: Any) -> dict[str, Any]:
    """The fields of an instance that differ from their defaults."""
    values = {f: getattr(instance, f.name) for f in dataclasses.fields(instance) if f.init}
    return {f.name: v for f, v in values.items() if f.name not in _SET_BY_THE_PLAN and not _same(v, _default(f))}


def _default(field: dataclasses.Field[Any]) -> Any:
    factory = field.default_factory
    return field.default if factory is dataclasses.MISSING else factory()


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)


def _catalogued(cls: type, fields: dict[str, Any], kind: Kind) -> Spec | None:
    """The catalog name of a class that ships with dynamark: the entry that sets no fields, if there is one."""
    table = METHODS if kind == "method" else TASKS
    target = f"{cls.__module__}:{cls.__name__}"
    if target in table.values():
        return Spec(next(name for name, text in table.items() if text == target), fields)
    return None


def _target(cls: type, kind: Kind) -> str:
    """Where another process can load a class from: its file, its installed module, or a file written from notebook cells."""
    if file := plugin_file(cls.__module__):
        return f"{file}:{cls.__name__}"
    module = sys.modules.get(cls.__module__)
    if "<locals>" in cls.__qualname__:
        raise UserError(
            f"{kind} {cls.__qualname__} is defined inside a function; define it at the top level of a file or cell"
        )
    if cls.__module__ == "__main__" or module is None or getattr(module, "__file__", None) is None:
        return f"{module_of_cell(cls)}:{cls.__name__}"
    if _importable(cls.__module__):
        return f"{cls.__module__}:{cls.__name__}"
    return f"{Path(inspect.getfile(cls)).absolute()}:{cls.__name__}"


def _importable(module: str) -> bool:
    """Whether every process can import this module: it is installed, and not merely next to a script."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return False
    origin = "" if spec is None or spec.origin is None else spec.origin
    return "site-packages" in origin or module.partition(".")[0] == "dynamark"
