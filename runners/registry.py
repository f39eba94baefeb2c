"""Resolves specs to classes and their sources: catalogs, files, modules and entry points."""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import importlib
import importlib.util
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dynamark.errors import UserError, unknown
from dynamark.methods.catalog import METHODS
from dynamark.methods.fields import check_fields
from dynamark.results.keys import canonical, source_digest
from dynamark.runners.claims.experiments import EXPERIMENTS
from dynamark.runners.recordings import RECORDED, recorded_task
from dynamark.runners.spec import Choices, Spec, candidates, field_text, parse, with_choices
from dynamark.tasks.catalog import TASKS

if TYPE_CHECKING:
    from dynamark.tasks.base import Task

__all__ = [
    "Method",
    "MissingFile",
    "class_source",
    "load",
    "method_names",
    "plugin_file",
    "resolve_experiment",
    "resolve_method",
    "resolve_task",
    "search_space",
    "source_file",
    "target_of",
    "task_names",
]

_PLUGIN = "dynamark_plugin_"


class MissingFile(UserError):
    """Raised when the file of a task, method or claim does not exist."""


@dataclass(frozen=True)
class Method:
    """A resolved method.

    label: the label in tables. name: the name in the catalog. target: its class, as `module:Class` or `file.py:Class`.
    fields: all hyper-parameters. source: the digest of its source. preset: the fields that the catalog sets, which are not tuned.
    """

    label: str
    name: str
    target: str
    fields: dict[str, Any]
    source: str
    preset: frozenset[str] = frozenset()

    def build(self) -> Any:
        """An instance of the method. A field to be chosen on validation data has the first of its values."""
        return self.candidates()[0]

    def candidates(self) -> list[Any]:
        """Instances of the method with all combinations of the values among which fields are to be chosen."""
        cls = load(self.target, "method")
        return [_construct(self.target, cls, fields) for fields in candidates(self.fields)]


# --- names


def task_names() -> dict[str, str]:
    """All tasks in the catalog and entry points: name to `module:Class`, with fields if any."""
    return _names(TASKS, "task")


def method_names() -> dict[str, str]:
    """All methods in the catalog and entry points: name to `module:Class`, with fields if any."""
    return _names(METHODS, "method")


def _names(table: dict[str, str], kind: str) -> dict[str, str]:
    return {**{point.name: point.value for point in entry_points(group=f"dynamark.{kind}s")}, **table}


@functools.lru_cache(maxsize=1024)
def _entry(text: str) -> Spec:
    """A value of a catalog or of an entry point."""
    return parse(text)


def _lookup(name: str, table: dict[str, str], kind: str) -> tuple[str, Spec]:
    """The name to show and the spec behind it, whose name is a target: `module:Class` or an absolute `file.py:Class`."""
    if name in table:
        return name, _entry(table[name])
    if name.endswith(".py"):
        raise UserError(f"{name} does not name a class; write {_suggestion(Path(name))}")
    if ":" in name:
        path, _, cls = name.rpartition(":")
        if path.endswith(".py"):
            return f"{Path(path).name}:{cls}", Spec(f"{Path(path).absolute()}:{cls}")
        return name, Spec(name)
    names = _names(table, kind)
    if name not in names:
        raise unknown(kind, name, list(names))
    return name, _entry(names[name])


def _suggestion(path: Path) -> str:
    """`path.py:Class` with the classes of a file, read and not imported."""
    try:
        classes = [node.name for node in ast.parse(path.read_bytes()).body if isinstance(node, ast.ClassDef)]
    except (OSError, SyntaxError, ValueError):
        classes = []
    return " or ".join(f"{path}:{name}" for name in classes) or f"{path}:Class"


# --- resolving


def resolve_task(spec: Spec, tier: str, salt: str = "") -> Task:
    """The task that a spec names, at a tier. Raises `UserError` if there is none or a field is invalid."""
    if spec.name == RECORDED:
        return recorded_task(spec, tier, salt)
    if spec.choices:
        raise UserError(f"'{spec}': only methods choose among values; give one value per field of a task")
    shown, base = _lookup(spec.name, TASKS, "task")
    cls = load(base.name, "task")
    if not hasattr(cls, "at"):
        raise UserError(f"'{shown}' is not a task; a task is a subclass of dynamark.tasks.base.Task")
    preset = {f.name: f.default for f in dataclasses.fields(cls)} | cls.tiers.get(tier, {}) | base.fields
    task = _construct(base.name, cls.at, {**base.fields, **spec.fields, "tier": tier}, shown)
    changed = {name: value for name, value in spec.fields.items() if preset[name] != getattr(task, name)}
    return dataclasses.replace(task, name=spec.alias or field_text(shown, changed), salt=salt)


def resolve_method(spec: Spec, choose: Choices | None = None) -> Method:
    """The method that a spec names. Raises `UserError` if there is none or a field is invalid.

    choose: fields that a suite lets every method choose on validation data. Fields that the spec sets are not chosen. The label
        does not include these choices.
    """
    return _resolve(spec, METHODS, "method", choose or {})


def resolve_experiment(spec: Spec) -> Method:
    """The experiment that a spec names. An experiment is a frozen dataclass with plain fields, like a method."""
    return _resolve(spec, EXPERIMENTS, "experiment", {})


def _resolve(spec: Spec, table: dict[str, str], kind: str, choose: Choices) -> Method:
    shown, base = _lookup(spec.name, table, kind)
    cls = load(base.name, kind)
    if not dataclasses.is_dataclass(cls):
        raise UserError(f"{kind} '{shown}' is not a dataclass; write @dataclass(frozen=True) above the class")
    choices = {**base.choices, **choose, **spec.choices}
    choices = {name: values for name, values in choices.items() if name not in spec.fields}
    given = {**base.fields, **spec.fields}
    variants = [
        _construct(base.name, cls, fields, shown) for fields in candidates(with_choices(given, _sorted(choices)))
    ]
    fields = with_choices(_fields(variants[0], shown), _sorted(choices))
    changed = {n: fields[n] for n in {**spec.fields, **spec.choices} if _preset(cls, base, n) != fields[n]}
    label = spec.alias or field_text(shown, changed)
    source = source_digest(source_file(base.name))
    return Method(label, spec.alias or shown, base.name, fields, source, frozenset({**base.fields, **base.choices}))


def search_space(method: Method) -> dict[str, tuple[Any, ...]]:
    """The values of hyper-parameters that a method declares for tuning, without fields that are not at their default.

    Raises `UserError` if a field does not exist, a value is not allowed, or the default is not the first value.
    """
    cls = load(method.target, "method")
    open_space = {}
    for name, values in getattr(cls, "search_space", {}).items():
        if name not in method.fields:
            has = ", ".join(sorted(method.fields)) or "none"
            raise UserError(f"search_space of '{method.label}' names '{name}', which is not a field; its fields: {has}")
        default = _preset(cls, Spec(method.name), name)
        if not values or values[0] != default:
            raise UserError(f"search_space of '{method.label}' must list the default of '{name}', {default!r}, first")
        for value in values:
            check_fields(cls, {name: value}, method.label)
        if method.fields[name] == default:
            open_space[name] = tuple(values)
    return open_space


def _sorted(choices: Choices) -> Choices:
    return {name: tuple(dict.fromkeys(values)) for name, values in choices.items()}


def _preset(cls: Any, base: Spec, name: str) -> Any:
    """The value of a field that the user does not give. A field without a default has `MISSING`, which equals no value."""
    if name in base.fields:
        return base.fields[name]
    default = next(f for f in dataclasses.fields(cls) if f.name == name)
    return default.default if default.default_factory is dataclasses.MISSING else default.default_factory()


def _fields(method: Any, shown: str) -> dict[str, Any]:
    fields = {f.name: getattr(method, f.name) for f in dataclasses.fields(method) if f.init}
    try:
        canonical(fields)
    except TypeError as error:
        raise UserError(f"a field of '{shown}' is not plain data ({error}); use numbers, strings and tuples") from None
    return fields


def _construct(target: str, make: Any, fields: dict[str, Any], shown: str | None = None) -> Any:
    """Call a class with fields from a spec. Values that the class or its annotations reject raise a `UserError`."""
    cls = make if isinstance(make, type) else make.__self__
    check_fields(cls, fields, shown)
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
        raise UserError(f"cannot create '{shown or target}': {error}") from None
    except Exception as error:
        raise UserError(f"cannot create '{shown or target}': {type(error).__name__}: {error}") from None


# --- loading


def load(target: str, kind: str) -> Any:
    """Import the object named by `module:name` or `path/file.py:name`, usually a class."""
    where, _, name = target.rpartition(":")
    try:
        module = _from_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"cannot import {kind} '{target}': {type(error).__name__}: {error}") from None
    if not hasattr(module, name):
        classes = [n for n, v in vars(module).items() if isinstance(v, type) and v.__module__ == module.__name__]
        raise UserError(f"{where} has no class '{name}'; its classes: {', '.join(classes) or 'none'}")
    return getattr(module, name)


def source_file(target: str) -> Path:
    """The source file of a target, `module:name` or `path/file.py:name`."""
    where = target.rpartition(":")[0]
    if where.endswith(".py"):
        return Path(where).absolute()
    spec = importlib.util.find_spec(where)
    if spec is None or spec.origin is None:
        raise UserError(f"{where} has no source file; put the class into a Python file")
    return Path(spec.origin)


def plugin_file(module: str) -> Path | None:
    """The file of a module that was loaded from a path; None for any other module."""
    return Path(str(sys.modules[module].__file__)) if module.startswith(_PLUGIN) else None


def target_of(cls: type) -> str:
    """The target of a class, from which `load` can import it in any process."""
    return f"{plugin_file(cls.__module__) or cls.__module__}:{cls.__name__}"


@functools.lru_cache(maxsize=1024)
def class_source(cls: type) -> str:
    """The digest of the source of a loaded class."""
    return source_digest(source_file(target_of(cls)))


def _from_file(path: Path) -> ModuleType:
    path = path.absolute()
    if not path.is_file():
        raise MissingFile(f"{path} does not exist; write path/to/file.py:Class")
    # A name that is the same in every process, and that no other file has.
    name = f"{_PLUGIN}{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
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
