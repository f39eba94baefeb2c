"""Recordings among the tasks of a suite: `recorded(path="weather.csv")` in a file, and `--data weather.csv`."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynamark.errors import UserError, unknown

if TYPE_CHECKING:
    from dynamark.runners.spec import Spec
    from dynamark.tasks.recorded.base import RecordedTask

__all__ = ["RECORDED", "fields_again", "goal_of", "is_recording", "recorded_task"]

# The name of a recording in a suite.
RECORDED = "recorded"

# The goal of a recording whose methods come from a suite with tasks of a kind; the first kind that the suite has counts.
_GOALS = {"Forecasting": "forecast", "Prediction": "onestep", "Recovery": "completion"}


def recorded_task(spec: Spec, tier: str, salt: str) -> RecordedTask:
    """The task of `recorded(path=..., ...)`. Raises UserError if the recording cannot be read or an option is invalid."""
    from dynamark.tasks.recorded.factory import recorded

    if spec.choices:
        raise UserError(f"'{spec}': only methods choose among values; give one value per option of a recording")
    known = [name for name in inspect.signature(recorded).parameters if name != "data"]
    for name in spec.fields:
        if name not in known:
            raise unknown("option of recorded:", name, known)
    if "path" not in spec.fields:
        raise UserError(f"'{spec}': no file; write recorded(path='weather.csv')")
    _check_texts(spec)
    task = recorded(**spec.fields)
    if tier not in task.tiers:
        raise unknown("tier", tier, list(task.tiers))
    own: dict[str, Any] = {**task.tiers[tier], "name": spec.alias or task.name, "tier": tier, "salt": salt}
    return dataclasses.replace(task, **own)


def _check_texts(spec: Spec) -> None:
    for name in ("path", "name", "time", "trajectory"):
        if not isinstance(spec.fields.get(name, ""), str):
            raise UserError(f"'{spec}': {name} must be a text")
    for name in ("channels", "inputs"):
        value = spec.fields.get(name, ())
        if not isinstance(value, str | tuple):
            raise UserError(f"'{spec}': {name} must be a name or a tuple of names")


def goal_of(suite: str, kinds: Iterable[type]) -> str:
    """The goal of a recording for the methods of a suite, whose tasks are of these kinds."""
    present = {kind.__name__ for kind in kinds}
    for kind, goal in _GOALS.items():
        if kind in present:
            return goal
    raise UserError(
        f"the methods of '{suite}' cannot be put to a recording; choose a suite or board for forecasting, one-step prediction "
        "or matrix completion (see `dynamark list boards`)"
    )


# --- a recording again, from what a row has recorded


def is_recording(fields: Mapping[str, Any]) -> bool:
    """Whether these are the fields of a task on a recording."""
    return bool(fields.get("content")) and "goal" in fields


def fields_again(task: str, fields: Mapping[str, Any], data: str | Path | None) -> tuple[str, dict[str, Any]]:
    """The class of a recorded task and its fields, of which the content is available again.

    data: the file of the recording; None if it is still in the cache. Raises UserError if the content is another one.
    """
    from dynamark.tasks.recorded import contents
    from dynamark.tasks.recorded.factory import GOALS, recorded

    cls = GOALS[fields["goal"]]
    if data is None:
        if not contents.is_stored(fields["content"]):
            raise UserError(
                f"task '{task}' is a recording that is not in the cache any more (content {fields['content'][:12]}); "
                "give its file: --data FILE"
            )
    else:
        columns = {name: fields[name] for name in ("channels", "inputs", "time", "trajectory") if fields[name]}
        dt = None if fields["time"] else fields["dt"]
        digest = recorded(data, goal=fields["goal"], dt=dt, **columns).content
        if digest != fields["content"]:
            raise UserError(
                f"{Path(data).name}: its content ({digest[:12]}) is not that of task '{task}' ({fields['content'][:12]}); "
                "give the file that the result was computed from"
            )
    return f"{cls.__module__}:{cls.__name__}", dict(fields)
