"""Resolves specs to methods, tasks and experiments, by way of catalogs, files, modules and entry points."""

from __future__ import annotations

import ast
import dataclasses
import functools
import pickle
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynamark.errors import UserError, storable, unknown
from dynamark.methods.catalog import METHODS
from dynamark.methods.fields import check_fields
from dynamark.results.keys import canonical, source_digest
from dynamark.runners import probe
from dynamark.runners.claims.experiments import EXPERIMENTS
from dynamark.runners.foreign.describe import described_there
from dynamark.runners.foreign.target import EnvTarget, is_env
from dynamark.runners.loading import MissingFile, class_source, load, missing, plugin_file, source_file, target_of
from dynamark.runners.recordings import RECORDED, recorded_task
from dynamark.runners.spec import LONGEST, Choices, Spec, candidates, field_text, parse, with_choices
from dynamark.tasks.catalog import TASKS

if TYPE_CHECKING:
    from dynamark.tasks.base import Task

__all__ = [
    "Method",
    "MissingFile",
    "class_source",
    "described",
    "load",
    "load_checked",
    "method_names",
    "plugin_file",
    "resolve_experiment",
    "resolve_method",
    "resolve_task",
    "search_space",
    "source_file",
    "target_of",
    "task_names",
    "unpicklable",
]

_TABLES = {"method": METHODS, "experiment": EXPERIMENTS}


@dataclass(frozen=True)
class Method:
    """A resolved method.

    label: the label in tables. name: the name in the catalog. target: its class, as `module:Class` or `file.py:Class`.
    fields: all hyper-parameters. source: the digest of its source. preset: the fields that the catalog sets, which are not tuned.
    abilities: the protocol methods that it has, by name. space: its search space. frozen: whether its dataclass is frozen.

    The class of a plug-in is not imported in the process that plans (see `probe`).
    """

    label: str
    name: str
    target: str
    fields: dict[str, Any]
    source: str
    preset: frozenset[str] = frozenset()
    abilities: frozenset[str] = frozenset()
    space: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    frozen: bool = True

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
    if is_env(name) and kind == "method":
        target = EnvTarget.read(name)
        return target.shown, Spec(str(target))
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
    target = _lookup(spec.name, TASKS, "task")[1].name
    if _is_foreign(target):
        _ask(target, {"verb": "task", "spec": _anchored(spec, target), "tier": tier, "salt": ""})
    if spec.choices:
        raise UserError(f"'{spec}': only methods choose among values; give one value per field of a task")
    shown, base = _lookup(spec.name, TASKS, "task")
    cls = load(base.name, "task")
    if not hasattr(cls, "at"):
        raise UserError(f"'{shown}' is not a task; a task is a subclass of dynamark.tasks.base.Task")
    preset = {f.name: f.default for f in dataclasses.fields(cls)} | cls.tiers.get(tier, {}) | base.fields
    given = _as_declared(cls, {**base.fields, **spec.fields})
    task = _construct(base.name, cls.at, {**given, "tier": tier}, shown)
    changed = {name: given[name] for name in spec.fields if preset[name] != getattr(task, name)}
    return dataclasses.replace(task, name=spec.alias or field_text(shown, changed), salt=salt)


def _as_declared(cls: type, given: dict[str, Any]) -> dict[str, Any]:
    """Fields declared as float, as floats other than -0.0: tasks that are equal must have the same key, and so the same data."""
    floats = {f.name for f in dataclasses.fields(cls) if f.type in ("float", float)}
    return {
        name: float(value) + 0.0 if name in floats and type(value) in (int, float) and abs(value) < 2**53 else value
        for name, value in given.items()
    }


def resolve_method(spec: Spec, choose: Choices | None = None) -> Method:
    """The method that a spec names. Raises `UserError` if there is none or a field is invalid.

    choose: fields that a suite lets every method choose on validation data. Fields that the spec sets are not chosen. The label
        does not include these choices.
    """
    return _resolve(spec, "method", choose or {})


def resolve_experiment(spec: Spec) -> Method:
    """The experiment that a spec names. An experiment is a frozen dataclass with plain fields, like a method."""
    return _resolve(spec, "experiment", {})


def _resolve(spec: Spec, kind: str, choose: Choices) -> Method:
    target = _lookup(spec.name, _TABLES[kind], kind)[1].name
    if is_env(target):
        return _received(target, spec, described_there(EnvTarget.read(target), spec, choose))
    if not _is_foreign(target):
        return described(kind, spec, choose)
    question = {"verb": "method", "kind": kind, "spec": _anchored(spec, target), "choose": dict(choose)}
    return _received(target, spec, _ask(target, question))


def described(kind: str, spec: Spec, choose: Choices) -> Method:
    """A method or experiment, its class imported in this process."""
    shown, base = _lookup(spec.name, _TABLES[kind], kind)
    cls: Any = load(base.name, kind)
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
    return Method(
        label,
        spec.alias or shown,
        base.name,
        fields,
        source,
        frozenset({**base.fields, **base.choices}),
        _abilities(cls),
        getattr(cls, "search_space", {}),
        bool(variants[0].__dataclass_params__.frozen),
    )


def _abilities(cls: Any) -> frozenset[str]:
    from dynamark.tasks.problems import KINDS

    return frozenset(name for names in KINDS.values() for name in names if hasattr(cls, name))


def unpicklable(target: str, fields: Mapping[str, Any]) -> str:
    """Why a built method is not equal to its unpickled copy; empty if it is. A plug-in is built in another process."""
    if is_env(target):  # it never leaves its interpreter
        return ""
    if _is_foreign(target):
        return str(_ask(target, {"verb": "pickles", "target": target, "fields": dict(fields)}).get("reason"))
    built = _construct(target, load(target, "method"), candidates(fields)[0])
    try:
        same = pickle.loads(pickle.dumps(built)) == built
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "" if same else "the unpickled method is not equal to the original; compare by fields"


# --- plug-ins, which another process imports


def load_checked(target: str, kind: str) -> Any:
    """As `load`, once another process could import the plug-in without being ended or blocked by it."""
    if _is_foreign(target):
        _ask(target, {"verb": "load", "target": target, "kind": kind})
    return load(target, kind)


def _is_foreign(target: str) -> bool:
    """Whether a target is a plug-in, which this process does not import before another has."""
    return not (target.startswith("dynamark.") or probe.is_inside())


def _anchored(spec: Spec, target: str) -> dict[str, Any]:
    """A spec for another process, which may have another current folder."""
    return (spec.renamed(target) if spec.name.rpartition(":")[0].endswith(".py") else spec).to_dict()


def _ask(target: str, question: dict[str, Any]) -> dict[str, Any]:
    path = Path(target.rpartition(":")[0])
    if path.suffix == ".py" and not path.is_file():
        raise missing(path)
    return probe.ask(target, question)


def _received(target: str, spec: Spec, reply: dict[str, Any]) -> Method:
    """A method as another process describes it, which ran a stranger's code."""
    try:
        method = Method(
            **{
                **reply,
                "target": target,
                "fields": dict(zip(reply["fields"], _frozen_all(reply["fields"].values()), strict=True)),
                "preset": frozenset(reply["preset"]),
                "abilities": frozenset(reply["abilities"]),
                "space": dict(zip(reply["space"], _frozen_all(reply["space"].values()), strict=True)),
            }
        )
        whole = re.fullmatch("[0-9a-f]{64}", method.source) and storable(method.label + method.name, 2 * LONGEST)
    except (TypeError, KeyError, AttributeError, ValueError):
        whole = None
    if not whole:
        raise UserError(f"cannot import '{target}': what it says of itself cannot be read")
    return method


def _frozen_all(values: Iterable[Any]) -> list[Any]:
    """Lists as tuples, which JSON does not have."""
    return [tuple(_frozen_all(value)) if isinstance(value, list) else value for value in values]


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
    except (Exception, SystemExit) as error:
        raise UserError(f"cannot create '{shown or target}': {type(error).__name__}: {error}") from None
