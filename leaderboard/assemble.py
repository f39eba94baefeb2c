"""The leaderboard as a whole: rows gathered, compared and shown. The top of this folder; nothing below imports it."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dynamark.errors import UserError, unknown
from dynamark.leaderboards.board_text import board_json, board_records, board_text
from dynamark.leaderboards.boards import COLUMNS, BoardTable, Place, board_frame, table_of
from dynamark.leaderboards.formats import FORMATS, csv_records, csv_text, render
from dynamark.leaderboards.rows import gathered, prepare
from dynamark.leaderboards.sweep_text import sweep_json, sweep_text
from dynamark.leaderboards.sweeps import COLUMNS as SWEEP_COLUMNS
from dynamark.leaderboards.sweeps import SweepTable, sweep_table
from dynamark.leaderboards.table import Standing, Table, in_order, tables
from dynamark.methods.catalog import METHODS
from dynamark.results.store import default_store
from dynamark.runners.claims.select import COLUMNS as CLAIM_COLUMNS
from dynamark.runners.facts import facts
from dynamark.runners.plan.board import board_names, read_board
from dynamark.runners.plan.suite import Sweep, load_suite, shipped_sweeps

if TYPE_CHECKING:
    import pandas
    import pyarrow as pa

    from dynamark.leaderboards.gate.history import History
    from dynamark.runners.claims.verdicts import Evaluation

__all__ = ["Leaderboard", "leaderboard"]

# What the page shows beside the tables.
_PAGE = ["curves", "reason", "device", "predict_seconds", "provenance"]


@dataclass(frozen=True)
class Selection:
    """Which rows a leaderboard shows.

    stores: folders of your own results. keys: only these runs. family: only this one.
    tier, task, method: only what matches these globs.
    suites: paths of suite files whose sweeps are shown beside the shipped ones.
    """

    stores: tuple[Path | str, ...]
    published: bool = True
    keys: tuple[str, ...] | None = None
    family: str | None = None
    tier: str | None = None
    task: tuple[str, ...] = ()
    method: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()

    def read(self, columns: Sequence[str] = ()) -> pa.Table:
        """The rows of the stores with what tables and boards need. columns: further ones."""
        return gathered(self.stores, self.published, self.keys, [*COLUMNS, *SWEEP_COLUMNS, *columns])

    def rows(self, read: pa.Table) -> pandas.DataFrame:
        """Of the rows that were read those that are shown, prepared, in the order of `rows.RUN`."""
        frame = prepare(read)
        families = [str(name) for name in frame["family"].cat.categories]
        if self.family is not None and self.family not in families:
            raise UserError(f"no rows of family '{self.family}'; families with rows: {', '.join(families) or 'none'}")
        for column, globs in (
            ("tier", (self.tier,) if self.tier else ()),
            ("task", self.task),
            ("method", self.method),
        ):
            if globs:
                frame = _matching(frame, column, globs)
        return frame

    def boards(self, read: pa.Table) -> list[tuple[BoardTable, pandas.DataFrame]]:
        """The tables of shipped boards that rank two methods or more, with their rows; none where runs or methods were chosen."""
        if self.keys is not None or self.task or self.method or self.tier not in (None, "standard"):
            return []
        boards = [read_board(name) for name in board_names()]
        frames = [(board, board_frame(board, read)) for board in boards if self.family in (None, board.family)]
        shown = [(table_of(board, frame), frame) for board, frame in frames]
        return sorted(
            (pair for pair in shown if len(pair[0].places) > 1), key=lambda pair: in_order(pair[0].board.family)
        )

    def sweeps(self, read: pa.Table) -> list[SweepTable]:
        """The sweeps with results, those of suite files first; none where runs, tasks or methods were chosen."""
        if self.keys is not None or self.task or self.method:
            return []
        own = [sweep for path in self.suites for sweep in load_suite(path).sweeps]
        listed: list[Sweep] = [*own, *shipped_sweeps()]
        chosen = [s for s in listed if self.family in (None, s.family) and self.tier in (None, s.entry.tier)]
        return [table for sweep in chosen if (table := sweep_table(sweep, read)).lines]

    def claims(self, rows: pa.Table) -> list[Evaluation]:
        """The claims, of one family where one is chosen; none where runs were chosen one by one."""
        from dynamark.runners.claims.catalog import FAMILIES, choose
        from dynamark.runners.claims.verdicts import evaluate_all

        if not len(rows) or self.family not in (None, *FAMILIES):
            return []
        return evaluate_all(choose(family=self.family), rows)

    def claim_rows(self, read: pa.Table) -> pa.Table:
        """Of the rows that were read those that claims are evaluated on, with the curves of their figures."""
        narrowed = self.keys is not None or self.tier or self.task or self.method
        return read.select([*CLAIM_COLUMNS, "curves"]).slice(0, 0 if narrowed else None)


def _matching(frame: pandas.DataFrame, column: str, globs: Sequence[str]) -> pandas.DataFrame:
    names = [str(name) for name in frame[column].cat.categories]
    chosen = [name for name in names if any(fnmatchcase(name, glob) for glob in globs)]
    if not chosen:
        raise unknown(f"{column} among the results:", " ".join(globs), names)
    return _chosen(frame, frame[column].isin(chosen).to_numpy())


def _chosen(frame: pandas.DataFrame, mask: Any) -> pandas.DataFrame:
    narrowed = frame[mask].reset_index(drop=True)
    for name in narrowed.columns:
        if hasattr(narrowed[name], "cat"):
            narrowed[name] = narrowed[name].cat.remove_unused_categories()
    return narrowed


def _apart(
    frame: pandas.DataFrame, boards: Sequence[BoardTable], sweeps: Sequence[SweepTable] = ()
) -> pandas.DataFrame:
    """The rows of tasks on no board and in no sweep; and of tasks with held-out rows, which stand beside public ones."""
    on_boards = {(table.board.tier, task) for table in boards for task in table.board.tasks}
    on_boards |= {(table.sweep.entry.tier, task) for table in sweeps for task in table.sweep.tasks}
    held_out = set(frame.loc[(frame["salt"] != "").to_numpy(), "task"].astype(str))
    pairs = zip(frame["tier"].astype(str), frame["task"].astype(str), strict=True)
    return _chosen(frame, np.array([pair not in on_boards or pair[1] in held_out for pair in pairs], dtype=bool))


class Leaderboard:
    """The standings of methods, made from rows. As text it is the table of the terminal; in a notebook it is a table, too."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection

    @functools.cached_property
    def _read(self) -> pa.Table:
        return self._selection.read()

    @functools.cached_property
    def boards(self) -> list[BoardTable]:
        """The boards: tables in which every method has run on every task."""
        return [table for table, _ in self._selection.boards(self._read)]

    @functools.cached_property
    def sweeps(self) -> list[SweepTable]:
        """The sweeps: a score as a function of one field of a task, a line per method."""
        return self._selection.sweeps(self._read)

    @functools.cached_property
    def tables(self) -> list[Table]:
        """The standings on tasks that are on no board and in no sweep, a table a family and tier."""
        rows = _apart(self._selection.rows(self._read), self.boards, self.sweeps)
        return tables(rows, self._selection.family)

    def to_text(self, format: str = "terminal") -> str:
        """As text: `terminal`, `md`, `tex`, `csv`, `json`, or `html` (the whole page)."""
        if format not in FORMATS:
            raise unknown("format", format, list(FORMATS))
        if format == "html":
            return self.to_html()
        if format == "json":
            plain = [
                *map(board_json, self.boards),
                *map(sweep_json, self.sweeps),
                *json.loads(render(self.tables, format)),
            ]
            return json.dumps(plain, indent=2, allow_nan=False) + "\n"
        if format == "csv":
            return self._csv()
        first, sweeps = board_text(self.boards, format), sweep_text(self.sweeps, format)
        rest = self.tables
        return "\n".join(filter(None, [first, sweeps, render(rest, format) if rest or not first + sweeps else ""]))

    def to_frame(self) -> pandas.DataFrame:
        """One row a method and table, boards first: what `--format csv` writes, as a data frame (names as they are).

        board: the name of the board; NaN for the standings on other tasks. rank: the mean rank.
        """
        import io

        import pandas

        texts = dict.fromkeys(("board", "salt", "track"), str)
        return pandas.read_csv(io.StringIO(self._csv(literal=True)), dtype=texts)

    def _csv(self, literal: bool = False) -> str:
        boards = [record for table in self.boards for record in board_records(table)]
        return csv_text([*boards, *csv_records(self.tables)], literal)

    def to_html(self, history: History | None = None) -> str:
        """The whole page: one HTML file that loads nothing from elsewhere. history: adds the trends of scores."""
        from dynamark.leaderboards.page.symbols import codes
        from dynamark.leaderboards.page.whole import page

        read = self._selection.read([*_PAGE, *CLAIM_COLUMNS])
        rows = self._selection.claim_rows(read)
        boards = self._selection.boards(read)
        sweeps = self._selection.sweeps(read)
        frame = _apart(self._selection.rows(read), [table for table, _ in boards], sweeps)
        claims = self._selection.claims(rows)
        figures = codes(rows.to_pandas())
        return page(frame, self._selection.family, claims, METHODS, figures, boards, facts, history, sweeps)

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        titled: list[tuple[str, Sequence[Standing | Place]]] = []
        titled += [(table.board.name, table.places) for table in self.boards if table.places]
        titled += [(table.title, table.standings) for table in self.tables]
        parts = [
            f"<h4>{_escaped(title)}</h4>{_short_frame(lines).to_html(index=False, na_rep='', escape=True)}"
            for title, lines in titled
        ]
        return "\n".join(parts) or "no results yet; run <code>dynamark.run('quick')</code>"


def _short_frame(lines: Sequence[Standing | Place]) -> pandas.DataFrame:
    """What a notebook shows of a table or a board."""
    import pandas

    rows: list[dict[str, Any]] = [
        {"method": s.method, "band": s.band, "skill": s.skill, "low": s.low, "high": s.high, "failed": s.failed}
        for s in lines
    ]
    return pandas.DataFrame(rows).round(3)


def _escaped(text: str) -> str:
    import html

    return html.escape(text)


def leaderboard(
    *stores: Path | str,
    family: str | None = None,
    tier: str | None = None,
    task: str | Iterable[str] = (),
    method: str | Iterable[str] = (),
    published: bool = True,
    keys: Iterable[str] | None = None,
    suites: Iterable[str | Path] = (),
) -> Leaderboard:
    """The leaderboard of the published results and of your own (by default those in `results/runs`).

    stores: results folders. family: only this one. tier, task, method: globs that narrow what is shown.
    published: whether the published results are shown. keys: only these runs.
    suites: paths of your suite files whose sweeps are shown; those of the shipped suites always are.

    Returns an object: `print` it, show it in a notebook, or call `.to_frame()`, `.to_html()`, `.to_text(format)`.
    """
    own = stores or ((default_store(),) if default_store().exists() else ())
    for folder in stores:
        if not Path(folder).is_dir():
            raise UserError(
                f"the results folder {folder} does not exist; name a folder that `dynamark run --store` wrote"
            )
    tasks, methods = ((globs,) if isinstance(globs, str) else tuple(globs) for globs in (task, method))
    chosen = None if keys is None else tuple(keys)
    files = tuple(map(str, suites))
    for file in files:
        load_suite(file)  # a bad file is reported here, not where the leaderboard is first shown
    return Leaderboard(Selection(tuple(own), published, chosen, family, tier, tasks, methods, files))
