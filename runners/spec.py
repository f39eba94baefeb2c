"""A spec names a task, a method or an experiment. Text is parsed to a `Spec` once, where it enters dynamark.

The text form is `[alias=]NAME[(field=value, ...)]`. NAME is a name in the catalog, an entry point, `path/file.py:Class`,
`module:Class`, or (in a suite) a glob. Values are Python literals, `inf` or `nan`. If a value is a set, as in
`s4d(rate={0.003, 0.01})`, the method chooses one of its elements on validation data.
"""

from __future__ import annotations

import ast
import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from dynamark.errors import UserError, one_line, storable

__all__ = [
    "COMPETE",
    "LONGEST",
    "Choices",
    "Spec",
    "candidates",
    "competing",
    "field_text",
    "halved",
    "open_fields",
    "parse",
    "relative_to",
    "with_candidates",
    "with_choices",
]

# Fields with the values to choose among.
Choices = Mapping[str, Sequence[Any]]

# How plain fields, which keys and rows hold, write a field that is to be chosen: {"any of": [values]}, sorted.
_ANY = "any of"
# And how they hold the candidates of a board: under a name that no field can have, the fields in which each differs.
COMPETE = "one of"
# Of the whole budget, what a candidate of a board gets: one part in so many.
_SHARE = 4

# An alias may contain a slash: `chaos/thomas=my_tasks.py:Thomas` adds a task in a file to a family.
_ALIAS = re.compile(r"([\w.+/-]+)=(.+)")
# A class in a file, whose path may hold brackets, and its fields.
_IN_FILE = re.compile(r"(.+?\.py:\w+)(|\(.*)", re.DOTALL)
# Characters of a spec; longer ones are no names of files, and their labels fill no table.
LONGEST = 4000
_CONSTANTS = {"inf": math.inf, "nan": math.nan}


@dataclass(frozen=True)
class Spec:
    """The name of a task, method or experiment, with the fields that differ from its defaults.

    name: a name in the catalog, an entry point, `path/file.py:Class`, `module:Class`, or a glob.
    fields: values of fields: numbers, strings, booleans, None, and tuples of these.
    alias: the label in tables. Default: the name and fields.
    choices: fields with the values among which a method chooses on validation data.
    """

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    alias: str | None = None
    choices: Choices = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", {name: _frozen(value) for name, value in self.fields.items()})
        object.__setattr__(self, "choices", {name: tuple(values) for name, values in self.choices.items()})

    def __hash__(self) -> int:
        return hash((self.name, self.alias, frozenset(self.fields), frozenset(self.choices)))

    @property
    def plain_fields(self) -> dict[str, Any]:
        """Fields as keys and rows hold them, those that are to be chosen among them."""
        return with_choices(self.fields, self.choices)

    @property
    def names(self) -> frozenset[str]:
        """The names by which it can be selected in a suite: its name and its alias."""
        return frozenset({self.name, *([self.alias] if self.alias else [])})

    @property
    def is_glob(self) -> bool:
        """Whether the name is a pattern that can match several names."""
        return any(sign in self.name for sign in "*?[")

    @property
    def is_bare(self) -> bool:
        """Whether it has no fields, no choices and no alias."""
        return not (self.fields or self.choices or self.alias)

    def matches(self, glob: str) -> bool:
        """Whether a glob matches the name, the alias or the label."""
        return any(fnmatchcase(name, glob) for name in {*self.names, self.label})

    @property
    def label(self) -> str:
        """The label in tables: the alias, or else the text form."""
        return self.alias or field_text(self.name, self.plain_fields)

    def __str__(self) -> str:
        text = field_text(self.name, self.plain_fields)
        return f"{self.alias}={text}" if self.alias else text

    def to_dict(self) -> dict[str, Any]:
        """The spec as a dictionary; `Spec(**dictionary)` gives an equal spec."""
        return {"name": self.name, "fields": dict(self.fields), "alias": self.alias, "choices": dict(self.choices)}

    def renamed(self, name: str) -> Spec:
        """A copy of the spec with another name."""
        return replace(self, name=name)


def parse(text: str) -> Spec:
    """Parse the text form of a spec. No other function parses specs."""
    if not storable(" ".join(text.split()), LONGEST):
        raise UserError(
            f"cannot read '{one_line(text, 60)}'; write at most {LONGEST} printable characters: NAME(field=value, ...)"
        )
    head, bracket, rest = _parted(text.strip())
    alias = None
    if (match := _ALIAS.fullmatch(head)) and not _is_file(head):
        alias, head = match.groups()
    if not head.strip():
        raise UserError(f"cannot read '{text}'; write NAME or NAME(field=value, ...)")
    fields = _fields(rest, text) if bracket else {}
    choices = {name: tuple(value) for name, value in fields.items() if isinstance(value, set)}
    if empty := [name for name, values in choices.items() if not values]:
        raise UserError(f"cannot read '{text}': '{empty[0]}' has no values to choose among; write {{value, value}}")
    return Spec(head.strip(), {n: v for n, v in fields.items() if n not in choices}, alias, choices)


def _parted(text: str) -> tuple[str, str, str]:
    """The text before the fields, the bracket, and the fields. Brackets in the path of a file belong to the path."""
    if match := _IN_FILE.fullmatch(text):
        return match[1], match[2][:1], match[2][1:]
    return text.partition("(")


def _is_file(head: str) -> bool:
    """Whether `path=with/a/sign.py:Class` is a path as a whole, and has no alias."""
    where = head.rpartition(":")[0]
    return where.endswith(".py") and Path(where).is_file()


def relative_to(folder: Path, spec: Spec) -> Spec:
    """The spec with its paths, of a class in a file or of a recording, taken relative to a folder."""
    where, colon, name = spec.name.rpartition(":")
    if where.startswith("env:") and "!" in where:
        python, _, file = where.removeprefix("env:").partition("!")
        return replace(spec, name=f"env:{_within(folder, python)}!{_within(folder, file)}:{name}")
    if where.endswith(".py"):
        return replace(spec, name=f"{_within(folder, where)}{colon}{name}")
    recording = spec.fields.get("path")
    if spec.name == "recorded" and isinstance(recording, str) and not recording.startswith("datasets:"):
        return replace(spec, fields={**spec.fields, "path": _within(folder, recording)})
    return spec


def _within(folder: Path, path: str) -> str:
    """A path relative to a folder; as it is written where the folder is the current one, so that it is matched as written."""
    return path if folder == Path() or path.startswith("~") else str(folder / path)


def _fields(rest: str, text: str) -> dict[str, Any]:
    try:
        call = ast.parse(f"f({rest}", mode="eval").body
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)) or call.args:
            raise ValueError
        fields = {_keyword(k): _literal(k.value) for k in call.keywords}
        repr(fields).encode()  # a lone surrogate, written as an escape, fits in no row
        return fields
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise UserError(f"cannot read '{text}'; write NAME(field=value, ...) with Python literals as values") from None


def _keyword(keyword: ast.keyword) -> str:
    if keyword.arg is None:
        raise ValueError
    return keyword.arg


def _literal(node: ast.expr) -> Any:
    """The value of a Python literal, `inf` or `nan`."""

    class Constants(ast.NodeTransformer):
        def visit_Name(self, name: ast.Name) -> ast.AST:
            return ast.Constant(_CONSTANTS[name.id]) if name.id in _CONSTANTS else name

    value = Constants().visit(node)
    if isinstance(value, ast.Call) and ast.unparse(value) == "set()":
        raise ValueError
    return ast.literal_eval(value)


def _frozen(value: Any) -> Any:
    """Lists as tuples: a spec is hashed, and JSON knows lists alone."""
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def field_text(name: str, fields: Mapping[str, Any]) -> str:
    """The text form NAME(field=value, ...), with the fields sorted by name."""
    inside = ", ".join(f"{key}={_written(value)}" for key, value in sorted(fields.items()))
    return f"{name}({inside})" if inside else name


def _written(value: Any) -> str:
    if isinstance(value, Mapping) and set(value) == {_ANY}:
        return f"{{{', '.join(map(_written, value[_ANY]))}}}"
    if isinstance(value, list | tuple):
        inside = ", ".join(map(_written, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    return repr(value)


def with_choices(fields: Mapping[str, Any], choices: Choices) -> dict[str, Any]:
    """Plain fields; one that is to be chosen is {"any of": [values]}."""
    return {**fields, **{name: {_ANY: sorted(values, key=_order)} for name, values in choices.items()}}


def _order(value: Any) -> tuple[bool, Any]:
    """Sorts numbers before texts: the values of a choice may mix both."""
    number = isinstance(value, bool | int | float)
    return (not number, value if number else repr(value))


def open_fields(fields: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The plain fields that are to be chosen, with their values."""
    return {name: value[_ANY] for name, value in fields.items() if isinstance(value, Mapping) and set(value) == {_ANY}}


def candidates(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every combination of the values to choose among, or a board's candidates; the fields alone where nothing is to choose."""
    if COMPETE in fields:
        fixed = {name: value for name, value in fields.items() if name != COMPETE}
        return [{**fixed, **own} for own in fields[COMPETE]]
    chosen = open_fields(fields)
    return [{**fields, **dict(zip(chosen, values, strict=True))} for values in itertools.product(*chosen.values())]


def with_candidates(fields: Mapping[str, Any], drawn: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Plain fields with the candidates of a board, the fields in which each differs; the first differs in none."""
    return {**fields, COMPETE: [dict(own) for own in drawn]}


def competing(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The candidates of a board among plain fields, as `with_candidates` was given them; none where there are none."""
    return list(fields.get(COMPETE, []))


def halved(fields: Mapping[str, Any]) -> int:
    """The part of the budget that each candidate gets, one in so many: a quarter on a board, all of it elsewhere."""
    return _SHARE if COMPETE in fields else 1


def most_seeds(needs: Iterable[tuple[Any, int]]) -> dict[Any, int]:
    """Each thing once, with the largest number of seeds that is asked for."""
    most: dict[Any, int] = {}
    for what, seeds in needs:
        most[what] = max(seeds, most.get(what, 0))
    return most
