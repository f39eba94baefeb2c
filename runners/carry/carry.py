"""Carrying rows over a change of the source: which, whether a sample agrees, and the rows under their new keys.

Nothing in a results folder is changed or removed; carried rows are added. The sample's own rows lie in `.carry/` below the
folder until the end, so that an interrupted command goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from dynamark.errors import UserError
from dynamark.results.journal import Journal
from dynamark.results.keys import canonical
from dynamark.results.provenance import provenance
from dynamark.results.schema import Row
from dynamark.results.store import Store
from dynamark.results.verify import places
from dynamark.runners.carry.equal import difference
from dynamark.runners.carry.inside import planned
from dynamark.runners.carry.question import IDENTITY, SOURCES, Pair, Question, in_question, narrowed
from dynamark.runners.carry.sample import always, drawn, groups, tiny_run
from dynamark.runners.carry.tree import Code, Tree, commit_of, extracted, present
from dynamark.runners.plan.hours import CORES, Seconds

__all__ = ["Carried", "carry", "carry_with"]

# Rows that are written at once.
_CHUNK = 500


@dataclass(frozen=True)
class Carried:
    """What `carry` did.

    rows: rows in question. written: rows added to the results folder; the others were there already.
    left_alone: all other rows, by reason. tiny, again: tiny runs (of each revision) and rows in the sample.
    seconds: predicted time of the sample on two cores. refused: why nothing was carried. lost: whether runs of the sample
        failed for a reason that is not theirs, so that the command can be repeated.
    """

    rows: int
    written: int = 0
    left_alone: Mapping[str, int] = field(default_factory=dict)
    tiny: int = 0
    again: int = 0
    seconds: float = 0.0
    refused: str | None = None
    lost: bool = False


class _Refused(Exception):
    """The sample differs, or a part of it could not be run (`lost`)."""

    def __init__(self, reason: str, lost: bool = False) -> None:
        super().__init__(reason)
        self.lost = lost


@dataclass(frozen=True)
class _Sample:
    """The tiny run of each task and method with the keys under which both revisions store it, and the rows to run again."""

    groups: list[list[Pair]]
    tiny: list[Row | None]
    keys_then: list[str | None]
    keys_now: list[str | None]
    drawn: list[Pair]

    @property
    def runs(self) -> list[Row]:
        """The tiny runs that both revisions have."""
        pairs = zip(self.tiny, self.keys_then, self.keys_now, strict=True)
        return [run for run, then, now in pairs if run is not None and then and now]

    def again(self, statuses: Sequence[str | None]) -> list[Pair]:
        """The rows to run again, given how the tiny run of each group ended."""
        rows = {pair.old["key"]: pair for pair in self.drawn}
        for group, status in zip(self.groups, statuses, strict=True):
            rows.update((pair.old["key"], pair) for pair in always(group, status))
        return [rows[key] for key in sorted(rows)]


def carry(
    revision: str,
    *,
    store: Path,
    task: Sequence[str] = (),
    method: Sequence[str] = (),
    workers: int | None = None,
    timeout: float = 600.0,
    memory_gb: float = 8.0,
    engine: Literal["local", "inline"] = "local",
    dry_run: bool = False,
    progress: bool = False,
) -> Carried:
    """Write rows of an older revision again under today's keys, if a sample shows that results are equal to the bit.

    revision: the git revision whose code made the rows. store: the results folder.
    task, method: carry only rows whose task and method match one of these globs.
    workers, timeout, memory_gb, engine, progress: as for `run`.
    dry_run: run nothing; only say what would be carried, and what the sample needs.
    """
    home = Store(store)
    if not home.folder.is_dir():
        raise UserError(f"the results folder {store} does not exist; give a folder with --store")
    home.compact()
    commit = commit_of(revision)
    options = {
        "workers": workers,
        "timeout": timeout,
        "memory_gb": memory_gb,
        "engine": engine,
        "progress": progress,
    }
    with (
        tempfile.TemporaryDirectory(prefix="dynamark-carry-") as folder,
        extracted(commit, Path(folder) / "old") as source,
        Tree(source, Path(folder) / "cache-old") as old,
        Tree(present(), Path(folder) / "cache-today") as today,
    ):
        return carry_with(old, today, home, commit, task=task, method=method, options=options, dry_run=dry_run)


def carry_with(
    old: Code,
    today: Code,
    home: Store,
    commit: str,
    *,
    task: Sequence[str] = (),
    method: Sequence[str] = (),
    options: Mapping[str, Any],
    dry_run: bool = False,
) -> Carried:
    """As `carry`, with the code of both revisions given."""
    table = home.rows()
    question = in_question(narrowed(table.select(list(IDENTITY)), task, method).to_pylist(), old, today)
    sample = _sample(question, old, today)
    again = sample.again(["ok" if key else None for key in sample.keys_now])
    report = Carried(len(question.pairs), 0, question.left_alone, len(sample.runs), len(again))
    if dry_run or not question.pairs:
        return _with(report, seconds=_predicted(sample, again, table))
    old_rows = _rows(table, [pair.old["key"] for pair in question.pairs])
    with _scratch(home, commit, question) as scratch:
        try:
            statuses = _compare_tiny(sample, old, today, scratch, options)
            again = sample.again(statuses)
            _compare_rows(again, old_rows, today, scratch, options)
        except _Refused as refused:
            if not refused.lost:  # a run that timed out today may not do so the next time: nothing of it is kept
                shutil.rmtree(scratch, ignore_errors=True)
            return _with(report, again=len(again), refused=str(refused), lost=refused.lost)
        origin = {
            "commit": commit,
            "tiny": len(sample.runs),
            "rows": len(again),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        written = _write(home, question.pairs, old_rows, table, origin)
        shutil.rmtree(scratch, ignore_errors=True)
    return _with(report, again=len(again), written=written)


def _with(report: Carried, **changes: Any) -> Carried:
    return Carried(**{**vars(report), **changes})


# --- the sample


def _sample(question: Question, old: Code, today: Code) -> _Sample:
    grouped = groups(question.pairs)
    tiny = [tiny_run(group) for group in grouped]
    return _Sample(
        grouped,
        tiny,
        _keys(tiny, old),
        _keys(tiny, today),
        [question.pairs[place] for place in drawn(question.pairs)],
    )


def _keys(tiny: Sequence[Row | None], code: Code) -> list[str | None]:
    """The keys of the tiny runs by this code; None for those that it cannot plan."""
    wanted = [run for run in tiny if run is not None]
    plans = iter(code.plan(wanted, [[run["seed"]] for run in wanted]) if wanted else [])
    keys: list[str | None] = []
    for run in tiny:
        plan = "" if run is None else next(plans)
        keys.append(None if isinstance(plan, str) else str(plan[0]["key"]))
    return keys


def _predicted(sample: _Sample, again: Sequence[Pair], table: pa.Table) -> float:
    """Seconds of the sample on two cores: what the rows took, and what published rows say of tiny runs."""
    if not sample.groups:
        return 0.0
    seconds = Seconds()
    tiny = sum(seconds.of(run) or 0.0 for row in sample.runs for run in planned(row, [row["seed"]]))
    took = _rows(table.select(["key", "fit_seconds", "predict_seconds"]), [pair.old["key"] for pair in again])
    rows = sum((row["fit_seconds"] or 0.0) + (row["predict_seconds"] or 0.0) for row in took.values())
    return float((2 * tiny + rows) / CORES)


def _compare_tiny(
    sample: _Sample, old: Code, today: Code, scratch: Path, options: Mapping[str, Any]
) -> list[str | None]:
    """Execute the tiny runs by both revisions; how each ended. Raises `_Refused` at the first difference."""
    then = old.run(sample.runs, scratch / "old", options)
    now = today.run(sample.runs, scratch / "today", options)
    statuses: list[str | None] = []
    for run, key_then, key_now in zip(sample.tiny, sample.keys_then, sample.keys_now, strict=True):
        if run is None or key_then is None or key_now is None:
            statuses.append(None)
            continue
        _refuse_difference(then.get(key_then), now.get(key_now), run)
        statuses.append(str(now[key_now]["status"]))
    return statuses


def _compare_rows(
    again: Sequence[Pair], old_rows: Mapping[str, Row], today: Code, scratch: Path, options: Mapping[str, Any]
) -> None:
    """Execute rows again and compare. Raises `_Refused` at the first difference."""
    now = today.run([pair.planned for pair in again], scratch / "today", options)
    for pair in again:
        _refuse_difference(old_rows[pair.old["key"]], now.get(pair.planned["key"]), pair.old)


def _refuse_difference(old: Row | None, new: Row | None, run: Row) -> None:
    label = run["task"] if not run["method"] else f"{run['method']} on {run['task']} [{run['tier']}]"
    where = f"{label}, seed {run['seed']}"
    if old is None or new is None:
        raise _Refused(f"{where} could not be run again; repeat the command to try once more", lost=True)
    if (what := difference(old, new)) is not None:
        machine = f" ({'; '.join(moved)})" if (moved := places(old, new)) else ""
        raise _Refused(f"{where} differs: {what}{machine}; run it again with `dynamark run`")


# --- rows, and what lies beside them


def _rows(table: pa.Table, keys: Sequence[str]) -> dict[str, Row]:
    chosen = table.filter(pc.is_in(table["key"], value_set=pa.array(sorted(keys), pa.string())))
    return {row["key"]: row for row in chosen.to_pylist()}


def _write(
    home: Store, pairs: Sequence[Pair], old_rows: Mapping[str, Row], table: pa.Table, origin: Mapping[str, Any]
) -> int:
    """Add the rows under their new keys, but for those that are there already; how many were added.

    A command that dies in between has added some of them, each as a whole; the next one adds the others.
    """
    present_rows = _rows(table.select(["key", *SOURCES]), [pair.planned["key"] for pair in pairs])
    carried = []
    for pair in pairs:
        sources = {name: pair.planned[name] for name in SOURCES}
        there = present_rows.get(pair.planned["key"])
        if there is not None and all(there[name] == sources[name] for name in SOURCES):
            continue
        row = old_rows[pair.old["key"]]
        step = {**{name: row[name] for name in SOURCES}, **origin}
        carried.append(
            {**row, **sources, "key": pair.planned["key"], "carried_from": [*(row["carried_from"] or []), step]}
        )
    with Journal(home.journals, provenance()) as journal:
        for start in range(0, len(carried), _CHUNK):
            journal.write(carried[start : start + _CHUNK])
    home.compact()
    return len(carried)


@contextmanager
def _scratch(home: Store, commit: str, question: Question) -> Iterator[Path]:
    """Where the sample's rows lie: a folder of its own for this code and these rows, kept if the command is interrupted."""
    keys = [
        [pair.old["key"], pair.planned["key"], *(pair.planned[name] for name in SOURCES)] for pair in question.pairs
    ]
    words = canonical([commit, _digest_of_code(), provenance(), keys])
    folder = home.folder / ".carry" / hashlib.sha256(words.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    if not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def _digest_of_code() -> str:
    """A digest of all code of today: more than the sources in the keys, since any of it may change a result."""
    package = present() / "dynamark"
    digest = hashlib.sha256()
    for folder in (package, *sorted(link for link in package.iterdir() if link.is_symlink())):
        for path in sorted(folder.resolve().rglob("*.py")):
            digest.update(f"{path.relative_to(folder.resolve())}".encode() + path.read_bytes())
    return digest.hexdigest()
