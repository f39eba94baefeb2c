"""From names to tasks and methods: the catalogue, files, modules and entry points.

A spec is written `[alias=]NAME[(field=value, ...)]`, where NAME is a name of the catalogue, an entry point, `path/file.py:Class`
or `module:Class`. Values are Python literals; of a set, `s4d(rate={0.003, 0.01})`, a method chooses one on validation data.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import importlib
import importlib.util
import re
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dynamark.errors import UserError, unknown
from dynamark.methods.catalogue import METHODS
from dynamark.results.keys import canonical, source_digest
from dynamark.runners.experiments.catalogue import EXPERIMENTS
from dynamark.runners.trials import plain, trials, written
from dynamark.tasks.catalogue import TASKS

if TYPE_CHECKING:
    from dynamark.tasks.base import Task

__all__ = [
    "Choices",
    "Method",
    "Spec",
    "load",
    "method_names",
    "parse",
    "resolve_experiment",
    "resolve_method",
    "resolve_task",
    "source_file",
    "task_names",
]


# Fields with the values to choose among.
Choices = tuple[tuple[str, tuple[Any, ...]], ...]


@dataclass(frozen=True)
class Spec:
    """A parsed spec."""

    name: str
    fields: dict[str, Any]
    alias: str | None = None


@dataclass(frozen=True)
class Method:
    """A method of a plan: where its class is, its hyper-parameters, its label in tables, and the digest of its source."""

    label: str
    name: str
    target: str
    fields: dict[str, Any]
    source: str

    def build(self) -> Any:
        """The method itself; where a field is to be chosen, with its first value."""
        return self.trials()[0]

    def trials(self) -> list[Any]:
        """The method with each combination of the values among which fields are to be chosen."""
        cls = load(self.target, "method")
        return [_construct(self.target, cls, fields) for fields in trials(self.fields)]


def parse(text: str) -> Spec:
    """Read a spec."""
    head, bracket, rest = text.strip().partition("(")
    alias = None
    if match := re.fullmatch(r"([\w.+-]+)=(.+)", head):
        alias, head = match.groups()
    fields: dict[str, Any] = {}
    if bracket:
        try:
            call = ast.parse(f"f({rest}", mode="eval").body
            if (
                not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name))
                or call.args
                or any(k.arg is None for k in call.keywords)
            ):
                raise ValueError
            fields = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
        except (SyntaxError, ValueError):
            raise UserError(f"cannot read '{text}'; write NAME(field=value, ...) with plain values") from None
    if not head.strip():
        raise UserError(f"cannot read '{text}'; write NAME or NAME(field=value, ...)")
    return Spec(head.strip(), fields, alias)


def task_names() -> dict[str, str]:
    """Every task by name: the catalogue's and those of entry points."""
    return _names(TASKS, "dynamark.tasks")


def method_names() -> dict[str, str]:
    """Every method by name: the catalogue's and those of entry points."""
    return _names(METHODS, "dynamark.methods")


def _names(table: dict[str, str], group: str) -> dict[str, str]:
    return {**{point.name: point.value for point in entry_points(group=group)}, **table}


def _find(name: str, table: dict[str, str], group: str, kind: str) -> tuple[str, str]:
    """The name to show and the spec behind it."""
    if name in table:
        return name, table[name]
    if ":" in name:
        path = name.rpartition(":")[0]
        if path.endswith(".py"):
            return f"{Path(path).name}:{name.rpartition(':')[2]}", str(Path(path).absolute()) + name[len(path) :]
        return name, name
    names = _names(table, group)
    if name not in names:
        raise unknown(kind, name, list(names))
    return name, names[name]


def resolve_task(text: str, tier: str, salt: str = "") -> Task:
    """The task that a spec names, at a tier."""
    spec = parse(text)
    shown, behind = _find(spec.name, TASKS, "dynamark.tasks", "task")
    base = parse(behind)
    cls = load(base.name, "task")
    preset = _construct(base.name, cls.at, {**base.fields, "tier": tier}, shown)
    task = _construct(base.name, cls.at, {**base.fields, **spec.fields, "tier": tier}, shown)
    changed = {f: v for f, v in spec.fields.items() if getattr(preset, f) != getattr(task, f)}
    return dataclasses.replace(task, name=spec.alias or _label(shown, changed), salt=salt)


def resolve_method(text: str, choose: Choices = ()) -> Method:
    """The method that a spec names; what a suite lets it choose, and the spec does not fix, leaves its label as it is."""
    return _resolve(text, METHODS, "method", choose)


def resolve_experiment(text: str) -> Method:
    """The experiment that a spec names; like a method it is a frozen dataclass of plain fields."""
    return _resolve(text, EXPERIMENTS, "experiment")


def _resolve(text: str, table: dict[str, str], kind: str, choose: Choices = ()) -> Method:
    spec = parse(text)
    shown, behind = _find(spec.name, table, f"dynamark.{kind}s", kind)
    base = parse(behind)
    cls = load(base.name, kind)
    if not dataclasses.is_dataclass(cls):
        raise UserError(f"{kind} '{shown}' is not a dataclass; write @dataclass(frozen=True) above the class")
    preset = _fields(_construct(base.name, cls, base.fields, shown), shown)
    told = {**base.fields, **{field: set(values) for field, values in choose}, **spec.fields}
    open_to = {field: plain(value) for field, value in told.items() if isinstance(value, set)}
    made = [_construct(base.name, cls, fields, shown) for fields in trials({**told, **open_to})]
    fields = {**_fields(made[0], shown), **open_to}
    changed = {name: fields[name] for name in spec.fields if preset[name] != fields[name]}
    name = spec.alias or shown
    label = name if spec.alias else _label(shown, changed)
    return Method(label, name, base.name, fields, source_digest(source_file(base.name)))


def _fields(method: Any, shown: str) -> dict[str, Any]:
    fields = {f.name: getattr(method, f.name) for f in dataclasses.fields(method) if f.init}
    try:
        canonical(fields)
    except TypeError as error:
        raise UserError(f"a hyper-parameter of '{shown}' is not plain data ({error}); use numbers and text") from None
    return fields


def _label(name: str, changed: dict[str, Any]) -> str:
    inside = ", ".join(f"{field}={written(value)}" for field, value in sorted(changed.items()))
    return f"{name}({inside})" if inside else name


def _construct(target: str, make: Any, fields: dict[str, Any], shown: str | None = None) -> Any:
    """Call a class with fields from a spec; what it refuses is the user's error."""
    try:
        return make(**fields)
    except UserError:
        raise
    except TypeError as error:
        if dataclasses.is_dataclass(make):
            known = {f.name for f in dataclasses.fields(make) if f.init}
            if wrong := set(fields) - known:
                has = ", ".join(sorted(known)) or "none"
                raise UserError(f"'{shown or target}' has no field '{min(wrong)}'; its fields: {has}") from None
        raise UserError(f"cannot make '{shown or target}': {error}") from None
    except Exception as error:
        raise UserError(f"cannot make '{shown or target}': {type(error).__name__}: {error}") from None


def load(target: str, kind: str) -> Any:
    """The class behind `module:Class` or `path/file.py:Class`."""
    where, _, name = target.rpartition(":")
    try:
        module = _from_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{kind} '{target}' does not import: {type(error).__name__}: {error}") from None
    if not hasattr(module, name):
        classes = [n for n, v in vars(module).items() if isinstance(v, type) and v.__module__ == module.__name__]
        raise UserError(f"{where} has no class '{name}'; it has: {', '.join(classes) or 'none'}")
    return getattr(module, name)


def source_file(target: str) -> Path:
    """The file in which a target is defined."""
    where = target.rpartition(":")[0]
    if where.endswith(".py"):
        return Path(where).absolute()
    spec = importlib.util.find_spec(where)
    if spec is None or spec.origin is None:
        raise UserError(f"{where} has no source file; dynamark identifies a method by its source")
    return Path(spec.origin)


def _from_file(path: Path) -> ModuleType:
    path = path.absolute()
    if not path.is_file():
        raise UserError(f"{path} does not exist; write path/to/file.py:Class")
    # A name that is the same in every process, and that no other file has.
    name = f"dynamark_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # its helpers; appended, so that they hide no installed package
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def matching(pattern: str, names: list[str]) -> list[str]:
    """The names that a glob matches."""
    return [name for name in names if fnmatchcase(name, pattern)]
