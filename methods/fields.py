"""The allowed values of a hyper-parameter: its type, and a range or a pattern in the annotation of the field.

    rank: Annotated[int, Range(0, 1000)] = 0
    start: Literal["random", "spectral"] = "random"

`check_fields` rejects a value that the annotation does not allow, before any process starts. The type of a field without a range
is checked too; annotations that are not understood here (another class, for example) allow every value.
"""

from __future__ import annotations

import dataclasses
import math
import re
import sys
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Protocol, Union, get_args, get_origin, runtime_checkable

from dynamark.errors import UserError

__all__ = [
    "Batch",
    "Count",
    "Increasing",
    "Limit",
    "Order",
    "Penalty",
    "Positive",
    "Range",
    "SearchSpace",
    "Share",
    "Size",
    "Spelled",
    "Steps",
    "Units",
    "allowed",
    "annotations_of",
    "check_fields",
    "fits",
]


@runtime_checkable
class Limit(Protocol):
    """A restriction of a type, used as metadata of `Annotated`."""

    def allows(self, value: Any) -> bool:
        """Whether a value of the type is allowed."""
        ...

    def of(self, base: str) -> str:
        """The description of the restricted type: "a number" becomes "a number above 0"."""
        ...


@dataclass(frozen=True)
class Range:
    """low <= value <= high, above < value < below; infinity only if it equals `high`, never NaN."""

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None

    def allows(self, value: Any) -> bool:
        """Whether a number lies in the range."""
        return (
            (math.isfinite(value) or value == self.high)
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def of(self, base: str) -> str:
        """The base type followed by the bounds."""
        bounds = [
            f"{word} {bound:g}" if isinstance(bound, float) else f"{word} {bound}"
            for word, bound in (
                ("from", self.low),
                ("above", self.above),
                ("to" if self.low is not None else "at most", self.high),
                ("below", self.below),
            )
            if bound is not None
        ]
        return " ".join([base, *bounds])


@dataclass(frozen=True)
class Spelled:
    """A string that matches a pattern from beginning to end; `meaning` describes it in words."""

    pattern: str
    meaning: str

    def allows(self, value: Any) -> bool:
        """Whether the whole string matches the pattern."""
        return re.fullmatch(self.pattern, value) is not None

    def of(self, base: str) -> str:
        """The meaning of a field with this annotation."""
        return self.meaning


@dataclass(frozen=True)
class Increasing:
    """A tuple of numbers in increasing order; equal neighbors are allowed."""

    def allows(self, value: Any) -> bool:
        """Whether the numbers are in increasing order."""
        return list(value) == sorted(value)

    def of(self, base: str) -> str:
        """The base type, followed by "in increasing order"."""
        return f"{base}, in increasing order"


# Common fields. The upper bounds exclude typing errors such as `delays=100000`, not large experiments.
Order = Annotated[int, Range(0, 10_000)]  # a rank, a degree, a lag; 0 has a meaning
Count = Annotated[int, Range(1, 10_000)]  # as `Order`, at least one
Size = Annotated[int, Range(1, 100_000)]  # units, features, centers
Steps = Annotated[int, Range(1, 100_000_000)]
Batch = Annotated[int, Range(1, 10_000_000)]
Positive = Annotated[float, Range(above=0)]
Penalty = Annotated[float, Range(low=0)]
Share = Annotated[float, Range(above=0, high=1)]

# The units in which a method gets its data (see `runners/execute/units.py`); the default is "standardized".
Units = Literal["standardized", "scaled", "raw"]

# Fields of a method with the values to try, the default first. Candidates are drawn from the product of these values.
SearchSpace = Mapping[str, Sequence[Any]]

_NAMES = {bool: "True or False", int: "an integer", float: "a number", str: "a string", type(None): "None"}


def check_fields(cls: type, fields: Mapping[str, Any], label: str | None = None) -> None:
    """Raise a UserError, one line, for the first value that the annotation of its field does not allow.

    fields: values by name; names that are not fields of the class, and values equal to the default of their field, are skipped.
    label: name of the class in the message.
    """
    annotations = annotations_of(cls)
    defaults = {f.name: f.default for f in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else {}
    for name, value in fields.items():
        if name not in annotations or (value == defaults.get(name, ...) and type(value) is type(defaults[name])):
            continue
        if not fits(annotations[name], value):
            rule = allowed(annotations[name])
            raise UserError(f"'{label or cls.__name__}' cannot take {name}={value!r}: {name} must be {rule}")


def annotations_of(cls: type) -> dict[str, Any]:
    """The annotation of each field of a class; `Any` if it cannot be evaluated (a name that only type checkers know)."""
    annotations: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        scope = {**vars(sys.modules.get(base.__module__, types)), **vars(base)}
        for name, annotation in vars(base).get("__annotations__", {}).items():
            annotations[name] = _evaluated(annotation, scope)
    return {name: annotation for name, annotation in annotations.items() if get_origin(annotation) is not ClassVar}


def _evaluated(annotation: Any, scope: Mapping[str, Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, dict(scope))
    except Exception:
        return Any


# --- whether a value fits


def fits(annotation: Any, value: Any) -> bool:
    """Whether an annotation allows a value."""
    annotation = getattr(annotation, "__value__", annotation)  # of a `type` statement
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return fits(args[0], value) and all(m.allows(value) for m in args[1:] if isinstance(m, Limit))
    if origin in (Union, types.UnionType):
        return any(fits(part, value) for part in args)
    if origin is Literal:
        return any(value == word and type(value) is type(word) for word in args)
    for kinds, rule in _RULES:
        if (origin or annotation) in kinds:
            return rule(args, value)
    return True


def _tuple(args: tuple[Any, ...], value: Any) -> bool:
    """Lists too: TOML and JSON have no tuples."""
    if not isinstance(value, tuple | list):
        return False
    if not args:
        return True
    if args[-1] is ...:
        return all(fits(args[0], item) for item in value)
    return len(args) == len(value) and all(map(fits, args, value))


def _items(args: tuple[Any, ...], value: Any) -> bool:
    return (
        isinstance(value, Collection)
        and not isinstance(value, str)
        and (not args or all(fits(args[0], item) for item in value))
    )


def _mapping(args: tuple[Any, ...], value: Any) -> bool:
    return isinstance(value, Mapping) and (
        not args or all(fits(args[0], k) and fits(args[1], v) for k, v in value.items())
    )


_Rule = Callable[[tuple[Any, ...], Any], bool]
_RULES: tuple[tuple[tuple[Any, ...], _Rule], ...] = (
    ((bool,), lambda _, value: isinstance(value, bool)),
    ((int,), lambda _, value: isinstance(value, int) and not isinstance(value, bool)),
    ((float,), lambda _, value: isinstance(value, int | float) and not isinstance(value, bool)),
    ((str,), lambda _, value: isinstance(value, str)),
    ((None, type(None)), lambda _, value: value is None),
    ((tuple,), _tuple),
    ((list, Sequence, Collection, set, frozenset), _items),
    ((dict, Mapping), _mapping),
)


# --- what is allowed, in words


def allowed(annotation: Any) -> str:
    """The values that an annotation allows, in words: "an integer from 1 to 4000 or None"."""
    annotation = getattr(annotation, "__value__", annotation)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        text = allowed(args[0])
        for limit in args[1:]:
            text = limit.of(text) if isinstance(limit, Limit) else text
        return text
    if origin in (Union, types.UnionType):
        return " or ".join(map(allowed, args))
    if origin is Literal:
        return f"one of {', '.join(map(repr, args))}" if len(args) > 1 else repr(args[0])
    if origin is tuple and args:
        if args[-1] is ...:
            return f"a tuple, each item {allowed(args[0])}"
        return f"({', '.join(map(allowed, args))})"
    return _NAMES.get(annotation, str(getattr(annotation, "__name__", annotation)))
