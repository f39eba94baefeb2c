"""`dynamark data`: verify, record and export the data of tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import dynamark.tasks.data as data
from dynamark.errors import UserError, unknown
from dynamark.runners.registry import resolve_task
from dynamark.runners.spec import Spec, parse
from dynamark.tasks.catalog import TASKS

__all__ = ["export", "record", "verify"]

State = Literal["ok", "FAIL", "skip"]

_FOLDER = Path(data.__file__).parent / "digests"
_TIER, _SEEDS = "tiny", range(5)


def _chosen(globs: Sequence[str]) -> list[str]:
    names = sorted(TASKS)
    chosen = [name for name in names if not globs or any(Spec(name).matches(glob) for glob in globs)]
    if not chosen:
        raise unknown("task", globs[0], names)
    return chosen


def _read(family: str) -> dict[str, Any]:
    path = _FOLDER / f"{family}.json"
    records: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return records


def verify(globs: Sequence[str] = ()) -> Iterator[tuple[str, State, str | None]]:
    """Regenerate the data of tasks (tiny tier, seeds 0 to 4) and compare it with the recorded digests.

    Yields the name of each dataset, a verdict ("ok", "FAIL" or "skip") and the reason if it is not "ok". A task that is not
    available on this machine yields one "skip".
    """
    for name in _chosen(globs):
        known = _read(name.split("/")[0])
        task = resolve_task(Spec(name), _TIER)
        if task.unavailable is not None:
            yield name, "skip", task.unavailable
            continue
        for seed in _SEEDS:
            entry = f"{name}/{_TIER}/{seed}"
            missing = "no digest is recorded"
            difference = data.verify_record(task, seed, known[entry]) if entry in known else missing
            yield entry, "ok" if difference is None else "FAIL", difference


def record(globs: Sequence[str] = ()) -> list[Path]:
    """Record the digests of the chosen tasks in the repository after their data has changed, and return the files.

    Digests of tasks that no longer exist are dropped.
    """
    written: dict[str, dict[str, Any]] = {}
    for name in _chosen(globs):
        family = name.split("/")[0]
        known = {entry: value for entry, value in _read(family).items() if entry.rsplit("/", 2)[0] in TASKS}
        entries = written.setdefault(family, known)
        task = resolve_task(Spec(name), _TIER)
        for seed in _SEEDS:
            entries[f"{name}/{_TIER}/{seed}"] = data.digest_record(task, seed)
    _FOLDER.mkdir(exist_ok=True)
    for family, entries in written.items():
        lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in sorted(entries.items()))
        (_FOLDER / f"{family}.json").write_text(f"{{\n{lines}\n}}\n")
    return [_FOLDER / f"{family}.json" for family in written]


def export(name: str, folder: Path, tier: str, seed: int) -> None:
    """Write the data of a task at a tier and seed to a folder, as Parquet with a dataset card."""
    if not 0 <= seed < 2**63:
        raise UserError(f"invalid --seed {seed}: expected 0 or greater, below 2^63")
    data.export(resolve_task(parse(name), tier), seed, folder)
