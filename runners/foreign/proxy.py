"""Stand-ins for a method and its models that live under another interpreter: each call becomes a message.

To the code that fits and asks (`execute/worker.py`) they are like any method and model, so that units, tuning, checks of answers,
limits and the sandbox hold for them too. The other interpreter is a child of the worker: it has the worker's limits, and ends
with it.
"""

from __future__ import annotations

import atexit
import dataclasses
import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from dynamark.runners.foreign.child import Child, ForeignError
from dynamark.runners.foreign.target import EnvTarget
from dynamark.tasks.problems import Estimate, Run

__all__ = ["method_class", "versions"]

# The processes of this process: one for each target.
_children: dict[str, Child] = {}


def method_class(target: str) -> type:
    """A class whose instances are stand-ins for methods of this target."""

    def build(_: type, **fields: Any) -> Any:
        files: list[bytes] = []
        reply, _arrays = _child(target).ask({"verb": "make", "fields": _packed(fields, files)}, files)
        return _stand_in(target, reply["value"], fields)

    return type(EnvTarget.read(target).cls, (), {"__new__": build})


def versions(target: str) -> dict[str, Any]:
    """The versions of the other interpreter and its packages, for the row."""
    return dict(_child(target).ask({"verb": "versions"})[0]["value"])


def _child(target: str) -> Child:
    if target in _children and _children[target].process.poll() is not None:
        del _children[target]  # a method ended it; the next starts anew
    if target not in _children:
        _children[target] = Child(EnvTarget.read(target))
        atexit.register(_children[target].close)
    return _children[target]


def _stand_in(target: str, described: Mapping[str, Any], fields: Mapping[str, Any] | None = None) -> Any:
    """An object with the methods and attributes that the one under the other interpreter has.

    fields: of a method, which is a dataclass here too.
    """
    number = described["object"]

    def caller(name: str) -> Callable[..., Any]:
        return lambda _, *args: _call(target, number, name, args)

    members = {name: caller(name) for name in described["abilities"]}
    attributes = {name: described["attributes"][name] for name in described["attributes"]}
    if fields is None:
        return type("Model", (), {**members, **attributes})()
    names = [(name, Any) for name in fields]
    return dataclasses.make_dataclass("Method", names, namespace={**members, **attributes}, frozen=True)(**fields)


def _call(target: str, number: int, name: str, args: tuple[Any, ...]) -> Any:
    files: list[bytes] = []
    packed = [_packed(part, files) for part in args]
    body = {"verb": "call", "object": number, "name": name, "args": packed}
    reply, arrays = _child(target).ask(body, files)
    try:
        for run, record in zip(_runs(args), reply["runs"], strict=True):
            _record(run, record, arrays)
        return _unpacked(reply["value"], arrays, target)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ForeignError(f"the answer to {name} cannot be read ({type(error).__name__})") from None


def _runs(value: Any) -> list[Run]:
    """The runs among arguments, in order."""
    if isinstance(value, Run):
        return [value]
    return [run for part in value for run in _runs(part)] if isinstance(value, list | tuple) else []


def _record(run: Run, record: Mapping[str, Any], arrays: list[bytes]) -> None:
    run.curves.update({name: [(float(x), float(y)) for x, y in points] for name, points in record["curves"].items()})
    run.facts.update({name: float(value) for name, value in record["facts"].items()})
    run.snapshots.extend((int(step), tuple(factors)) for step, factors in _unpacked(record["snapshots"], arrays))
    run.passes.extend(map(int, record["passes"]))
    run.steps = None if record["steps"] is None else int(record["steps"])
    if run.on_progress is not None and run.steps is not None:
        run.on_progress(run.steps, run.steps)


# --- trees


def _packed(value: Any, files: list[bytes]) -> Any:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().resolve_conj().numpy()
    if isinstance(value, np.ndarray):
        buffer = io.BytesIO()
        np.save(buffer, value, allow_pickle=False)
        files.append(buffer.getvalue())
        return {"array": len(files) - 1}
    if isinstance(value, Run):
        return {"run": {"entropy": list(value.entropy), "budget": value.budget}}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: _packed(getattr(value, f.name), files) for f in dataclasses.fields(value)}
        return {"type": type(value).__name__, "parts": parts}
    if isinstance(value, Mapping):
        return {"map": {name: _packed(part, files) for name, part in value.items()}}
    if isinstance(value, list | tuple):
        return {"tuple" if isinstance(value, tuple) else "list": [_packed(part, files) for part in value]}
    return value


def _unpacked(node: Any, arrays: list[bytes], target: str = "") -> Any:
    """The value of a tree, its arrays as tensors; an object of the other interpreter becomes a stand-in."""
    if not isinstance(node, dict):
        return node
    if "array" in node:
        return torch.from_numpy(np.load(io.BytesIO(arrays[node["array"]]), allow_pickle=False))
    if "object" in node:
        return _stand_in(target, node)
    if "type" in node:
        parts = {name: _unpacked(part, arrays, target) for name, part in node["parts"].items()}
        return Estimate(tuple(parts["factors"]), parts["form"])
    if "map" in node:
        return {name: _unpacked(part, arrays, target) for name, part in node["map"].items()}
    inside = [_unpacked(part, arrays, target) for part in node.get("tuple") or node.get("list") or []]
    return tuple(inside) if "tuple" in node else inside
