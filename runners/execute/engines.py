"""Engines by name: those that ship with dynamark, and those of other packages in the entry-point group `dynamark.engines`.

An engine is a function that takes `Settings`, and options of its own by name, and returns an `Executor`. It runs in the process
of the command. `--engine 'name(option=value)'` gives it options.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from dynamark.errors import UserError, unknown
from dynamark.runners.execute.executor import Executor, Settings
from dynamark.runners.loading import load
from dynamark.runners.spec import parse

__all__ = ["ENGINES", "Engine", "engine_names", "find_engine"]

_HERE = "dynamark.runners.execute"

ENGINES = {
    "local": f"{_HERE}.local:local",
    "inline": f"{_HERE}.executor:inline",
    "ray": f"{_HERE}.on_ray:ray",
}


@dataclass(frozen=True)
class Engine:
    """An engine that a command has chosen.

    sandboxes: whether its workers are kept from the folders that `Settings.hidden` lists.
    """

    name: str
    make: Callable[..., Executor]
    options: dict[str, Any]
    sandboxes: bool

    def start(self, settings: Settings) -> Executor:
        """Start the executor of this engine."""
        executor = self.make(settings, **self.options)
        if not isinstance(executor, Executor):
            raise UserError(
                f"engine '{self.name}' is no executor; it must return an object with submit, completed, __enter__ and __exit__"
            )
        return executor


def engine_names() -> dict[str, str]:
    """All engines: name to `module:function`."""
    return {**{point.name: point.value for point in entry_points(group="dynamark.engines")}, **ENGINES}


def find_engine(text: str, **options: Any) -> Engine:
    """The engine that a text like `name` or `name(option=value)` names. Raises `UserError` where there is none.

    options: further options; those that are None are left out.
    """
    spec, names = parse(text), engine_names()
    if spec.name not in names:
        raise unknown("engine", spec.name, list(names))
    make = load(names[spec.name], "engine")
    chosen = {**spec.fields, **{name: value for name, value in options.items() if value is not None}}
    known = _options(make)
    if known is not None and (wrong := sorted(set(chosen) - known)):
        raise UserError(
            f"engine '{spec.name}' has no option '{wrong[0]}'; its options: {', '.join(sorted(known)) or 'none'}"
        )
    return Engine(spec.name, make, chosen, bool(getattr(make, "sandboxes", False)))


def _options(make: Callable[..., Any]) -> set[str] | None:
    """The names of an engine's own options; None where it takes any."""
    parameters = list(inspect.signature(make).parameters.values())[1:]
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return {parameter.name for parameter in parameters}
