"""What a hyper-parameter may be: its type, and a range or a pattern beside the field.

    rank: Annotated[int, Range(0, 1000)] = 0
    start: Literal["random", "spectral"] = "random"

`check_fields` refuses a value that the annotation does not allow, before any process starts. A class that declares no range
still gets its annotations checked; what an annotation does not decide (another class, say) is allowed.
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
    """What stands beside a type in `Annotated` and narrows it."""

    def allows(self, value: Any) -> bool:
        """Whether a value of the type is allowed."""
        ...

    def of(self, base: str) -> str:
        """The type in words, narrowed: "a number" becomes "a number above 0"."""
        ...


@dataclass(frozen=True)
class Range:
    """low <= value <= high, above < value < below; infinite only where `high` says so, never NaN."""

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None

    def allows(self, value: Any) -> bool:
        """Whether a number lies within."""
        return (
            (math.isfinite(value) or value == self.high)
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def of(self, base: str) -> str:
        """The base type with its ends."""
        ends = [
            f"{word} {end:g}" if isinstance(end, float) else f"{word} {end}"
            for word, end in (
                ("from", self.low),
                ("above", self.above),
                ("to" if self.low is not None else "at most", self.high),
                ("below", self.below),
            )
            if end is not None
        ]
        return " ".join([base, *ends])


@dataclass(frozen=True)
class Spelled:
    """A text that matches a pattern as a whole; `meaning` says in words what it is."""

    pattern: str
    meaning: str

    def allows(self, value: Any) -> bool:
        """Whether the text matches."""
        return re.fullmatch(self.pattern, value) is not None

    def of(self, base: str) -> str:
        """The meaning."""
        return self.meaning


@dataclass(frozen=True)
class Increasing:
    """A tuple of numbers none of which is less than the one before it."""

    def allows(self, value: Any) -> bool:
        """Whether the order holds."""
        return list(value) == sorted(value)

    def of(self, base: str) -> str:
        """The base type, in order."""
        return f"{base}, in increasing order"


# Common fields. The upper ends keep out slips such as `delays=100000`, not large experiments.
Order = Annotated[int, Range(0, 10_000)]  # a rank, a degree, a lag; 0 has a meaning
Count = Annotated[int, Range(1, 10_000)]  # as `Order`, at least one
Size = Annotated[int, Range(1, 100_000)]  # units, features, centers
Steps = Annotated[int, Range(1, 100_000_000)]
Batch = Annotated[int, Range(1, 10_000_000)]
Positive = Annotated[float, Range(above=0)]
Penalty = Annotated[float, Range(low=0)]
Share = Annotated[float, Range(above=0, high=1)]

# What a method wants to see of its data (see `runners/execute/units.py`); "standardized" where it says nothing.
Units = Literal["standardized", "scaled", "raw"]

# Fields of a method with the values to try, its default first. Candidates are drawn from the products of these values.
SearchSpace = Mapping[str, Sequence[Any]]

_NAMES = {bool: "True or False", int: "a whole number", float: "a number", str: "a text", type(None): "None"}


def check_fields(cls: type, fields: Mapping[str, Any], shown: str | None = None) -> None:
    """Raise a UserError, one line, for the first value that the annotation of its field does not allow.

    fields: the values that were given; a name that the class has no field for, and a field's own default, are passed over.
    shown: what to call the class.
    """
    annotations = annotations_of(cls)
    defaults = {f.name: f.default for f in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else {}
    for name, value in fields.items():
        if name not in annotations or (value == defaults.get(name, ...) and type(value) is type(defaults[name])):
            continue
        if not fits(annotations[name], value):
            wanted = allowed(annotations[name])
            raise UserError(f"'{shown or cls.__name__}' cannot take {name}={value!r}: {name} must be {wanted}")


def annotations_of(cls: type) -> dict[str, Any]:
    """The annotation of each field of a dataclass; `Any` where it cannot be evaluated (a name known to type checkers only)."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        scope = {**vars(sys.modules.get(base.__module__, types)), **vars(base)}
        for name, annotation in vars(base).get("__annotations__", {}).items():
            found[name] = _evaluated(annotation, scope)
    return {name: annotation for name, annotation in found.items() if get_origin(annotation) is not ClassVar}


def _evaluated(annotation: Any, scope: Mapping[str, Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, dict(scope))
    except Exception:
        return Any


# --- whether a value fits


def fits(annotation: Any, value: Any) -> bool:
    """Whether a value is what an annotation allows."""
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
    """What an annotation allows: "a whole number from 1 to 4000 or None"."""
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
