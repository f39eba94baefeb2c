"""The keys of a plan that an earlier command made: a command with nothing left to do sees it without torch.

Planning imports every task and method. What it comes to is a function of the arguments and of the files of dynamark, so the keys
of a plan are kept in the cache folder with a stamp of both, and hold as long as the stamp does. Plans with tasks or methods from
elsewhere (files, other packages, recordings) are never kept: their code may read anything.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynamark.folders import cache_folder
from dynamark.results.keys import KEY_VERSION, canonical

if TYPE_CHECKING:
    from dynamark.runners.plan.cohorts import Cohort
    from dynamark.runners.plan.expand import Plan

__all__ = ["Recalled", "Stamp", "recall", "remember", "stamp_of"]

_ROOT = Path(__file__).absolute().parents[2]
_SUFFIXES = (".py", ".toml", ".json", ".npz")
_GROUPS = ("dynamark.tasks", "dynamark.methods")
# Recordings are files of the user's.
_OURS, _RECORDINGS = "dynamark.", "dynamark.tasks.recorded."


@dataclass(frozen=True)
class Stamp:
    """What a plan depends on: the arguments, and a digest of the files. Only plans from text are kept."""

    question: str
    files: str
    changed: int

    @property
    def path(self) -> Path:
        """Where the plan is kept."""
        return cache_folder() / "plans" / f"{hashlib.sha256(self.question.encode()).hexdigest()}.json"


@dataclass(frozen=True)
class Recalled:
    """The keys of a plan by cohort, and the skipped combinations (task, method, reason)."""

    batches: tuple[tuple[str, ...], ...]
    not_applicable: tuple[tuple[str, str, str], ...]
    planned: Callable[[], Plan] = field(repr=False, compare=False)

    @property
    def keys(self) -> list[str]:
        """The keys of all planned runs."""
        return [key for batch in self.batches for key in batch]

    @cached_property
    def runs(self) -> tuple[Any, ...]:
        """The runs themselves, planned again."""
        return self.planned().runs


def stamp_of(suite: Any, task: Any, method: Any, *, salt: str, **more: Any) -> Stamp | None:
    """The stamp of these arguments of `run`; None where a plan of them is not kept.

    A salt is kept out of the cache folder, which methods may read.
    """
    names = [[given] if isinstance(given, str) else given for given in (task, method)]
    texts = all(isinstance(given, list | tuple) and all(isinstance(g, str) for g in given) for given in names)
    if salt or not texts or not isinstance(suite, str | Path):
        return None
    try:
        own = Path(suite)
        content = hashlib.sha256(own.read_bytes()).hexdigest() if own.is_file() else None
        question = canonical([str(suite), content, *names, {name: _plain(value) for name, value in more.items()}])
    except (OSError, TypeError, ValueError):  # what is wrong with it the plan will say
        return None
    files = sorted(_files(_ROOT))
    packages = [sysconfig.get_path(name) for name in ("purelib", "platlib")]
    surroundings = [
        *(sys.version, KEY_VERSION),
        *([path, Path(path).stat().st_mtime_ns] for path in packages),
        *sorted([point.group, point.name, point.value] for group in _GROUPS for point in entry_points(group=group)),
    ]
    digest = hashlib.sha256(canonical([files, surroundings]).encode()).hexdigest()
    return Stamp(question, digest, max(stat[1] for _, *stat in files))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _files(folder: Path | str) -> Iterator[tuple[Any, ...]]:
    """Each file of dynamark that a plan may depend on, with what an edit changes even if it keeps the size and the time."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(_SUFFIXES):
                stat = entry.stat()
                yield entry.path, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev, stat.st_size
            elif entry.is_dir() and entry.name != "__pycache__":
                yield from _files(entry.path)


def recall(stamp: Stamp | None, planned: Callable[[], Plan]) -> Recalled | None:
    """The plan with this stamp, if it is kept.

    planned: plans anew, for who asks for the runs and not only for their keys.
    """
    if stamp is None:
        return None
    try:
        content = json.loads(stamp.path.read_bytes())
        plan = content["plan"]
        if content["files"] != stamp.files or content["sha256"] != _sum(plan):
            return None
        return Recalled(tuple(map(tuple, plan["batches"])), tuple(map(tuple, plan["skipped"])), planned)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _sum(content: Any) -> str:
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def remember(stamp: Stamp | None, plan: Plan, batches: Iterable[Cohort]) -> None:
    """Keep the keys of a plan, if all of it is of dynamark, whose files did not change while this process ran."""
    if stamp is None or not all(_is_ours(run) for run in plan.runs) or stamp.changed >= _began():
        return
    content = {"batches": [[run.key for run in cohort.runs] for cohort in batches], "skipped": plan.not_applicable}
    path = stamp.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}.tmp")
        beside.write_text(json.dumps({"files": stamp.files, "sha256": _sum(content), "plan": content}))
        beside.replace(path)
    except OSError:
        pass  # without a writable folder every command plans anew


def _is_ours(run: Any) -> bool:
    kinds = [f"{type(run.task).__module__}."] if hasattr(run, "task") else []
    return all(name.startswith(_OURS) and not name.startswith(_RECORDINGS) for name in (*kinds, run.method.target))


def _began() -> int:
    """When this process began, in nanoseconds; what changed later may differ from what it has imported."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        up = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
    return time.time_ns() - int(1e9 * (up - ticks / os.sysconf("SC_CLK_TCK")))
