"""What a plan needs to know of a method in an environment of its own, as that interpreter says it."""

from __future__ import annotations

from typing import Any

from dynamark.errors import UserError, one_line
from dynamark.runners.foreign.child import Child, Died, ForeignError
from dynamark.runners.foreign.dynamark_worker import pack
from dynamark.runners.foreign.target import EnvTarget
from dynamark.runners.spec import Choices, Spec, candidates, field_text, with_choices

__all__ = ["described_there"]

_SECONDS = 60.0  # to import and build a method


def described_there(target: EnvTarget, spec: Spec, choose: Choices) -> dict[str, Any]:
    """The parts of a `registry.Method` as plain data, which may be a lie. Raises `UserError` if there are none."""
    from dynamark.tasks.problems import KINDS  # imports torch, which readers of rows do without

    target.check()
    source = target.digest()
    choices = {n: tuple(dict.fromkeys(v)) for n, v in {**choose, **spec.choices}.items() if n not in spec.fields}
    try:
        child = Child(target, apart=True)
    except OSError as error:
        raise UserError(f"cannot start {target.python}: {error.strerror}") from None
    try:
        replies = [_ask(child, fields) for fields in candidates(with_choices(spec.fields, choices))]
        first = replies[0]
        fields = with_choices(dict(first["fields"]), choices)
        defaults, given = first["defaults"], {*spec.fields, *choices}
        changed = {n: fields[n] for n in given if n not in defaults or defaults[n] != _listed(fields[n])}
        solves = {name for names in KINDS.values() for name in names}
        return {
            "label": spec.alias or field_text(target.shown, changed),
            "name": spec.alias or target.shown,
            "fields": fields,
            "source": source,
            "preset": [],
            "abilities": sorted(solves & set(first["abilities"])),
            "space": dict(first["space"]),
            "frozen": bool(first["frozen"]),
        }
    except Died as died:
        late = died.code == -9
        how = f"not done after {_SECONDS:g} s" if late else f"it ended the process (exit code {died.code})"
        raise UserError(f"cannot import '{target.shown}' with {target.python}: {how}") from None
    except ForeignError as error:
        raise UserError(one_line(f"cannot import '{target.shown}' with {target.python}: {error}", 600)) from None
    except (ValueError, KeyError, TypeError, AttributeError, MemoryError, RecursionError):
        raise UserError(f"cannot import '{target.shown}': what {target.python} says of it cannot be read") from None
    finally:
        child.close()


def _ask(child: Child, fields: dict[str, Any]) -> dict[str, Any]:
    reply, _ = child.ask({"verb": "describe", "fields": pack(fields, [])}, seconds=_SECONDS)
    return dict(reply["value"])


def _listed(value: Any) -> Any:
    """A value as JSON gives it back."""
    return [_listed(part) for part in value] if isinstance(value, list | tuple) else value
