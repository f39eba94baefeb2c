"""Tables from rows: one a family and one overall, in six formats."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dynamark.errors import UserError
from dynamark.leaderboard.statistics import interquartile_mean, skill, stratified_bootstrap
from dynamark.results.schema import SCORED
from dynamark.results.store import Store, default_store, published_store, read_rows

if TYPE_CHECKING:
    import pandas

__all__ = ["Standing", "Table", "gather", "leaderboard", "render", "tables", "with_skill"]

Format = Literal["terminal", "md", "html", "tex", "csv", "json"]

_COLUMNS = [
    "key",
    "family",
    "task",
    "tier",
    "salt",
    "method",
    "seed",
    "status",
    "primary",
    "fit_seconds",
    "parameters",
    "finished",
]


@dataclass(frozen=True)
class Standing:
    """One method in one table."""

    method: str
    own: bool  # at least one row is not among the published ones
    skill: float | None  # interquartile mean over tasks and seeds
    low: float | None
    high: float | None
    runs: int
    possible: int  # runs of all tasks of the table that any method has
    failed: int
    fit_seconds: float | None  # median
    parameters: int | None  # median
    scores: dict[str, float] = field(default_factory=dict)  # median primary score, by task


@dataclass(frozen=True)
class Table:
    """The standings of one family, or of all ("overall")."""

    title: str
    standings: tuple[Standing, ...]
    tasks: tuple[tuple[str, str, bool], ...]  # name with tier, primary score, whether lower is better


def leaderboard(
    *stores: Path | str,
    format: Format = "terminal",
    family: str | None = None,
    published: bool = True,
    keys: Iterable[str] | None = None,
) -> str:
    """The leaderboard of the published rows and of one's own (by default those of `default_store()`), as text.

    format: `terminal`, `md`, `html` (a whole page), `tex`, `csv` or `json`.
    keys: only these runs.
    """
    frame = gather(stores or ([default_store()] if default_store().exists() else []), published, keys)
    if family is not None and family not in set(frame["family"]):
        have = ", ".join(sorted(set(frame["family"]))) or "none"
        raise UserError(f"no rows of family '{family}'; families with rows: {have}")
    if format == "html":
        from dynamark.leaderboard.page import page

        return page(frame, family)
    return render(tables(frame, family), format)


def gather(stores: Sequence[Path | str], published: bool = True, keys: Iterable[str] | None = None) -> pandas.DataFrame:
    """The rows behind a leaderboard, with columns `skill`, `score` and `own`."""
    for folder in stores:
        Store(folder).compact()
    folders = [*([published_store()] if published else []), *stores]
    frame = read_rows(folders, _COLUMNS).to_pandas()
    known = set(Store(published_store()).status()) if published else set()
    frame["own"] = ~frame["key"].isin(known) if known else False
    if keys is not None:
        frame = frame[frame["key"].isin(set(keys))]
    frame = frame[frame["tier"] != "experiment"]  # measurements of claims are not compared
    return with_skill(frame.reset_index(drop=True))


def with_skill(frame: pandas.DataFrame) -> pandas.DataFrame:
    """Add what `primary` holds as columns (metric, score, lower_is_better, log, floor), and the skill of each row."""
    primary = [p or {} for p in frame["primary"]]

    def column(name: str) -> np.ndarray:
        return np.array([np.nan if p.get(name) is None else p[name] for p in primary], dtype=float)

    scored = frame["status"].isin(SCORED).to_numpy()
    added = {
        "metric": [p.get("score") for p in primary],
        "score": np.where(scored, column("value"), np.nan),
        "lower_is_better": [bool(p.get("lower_is_better", True)) for p in primary],
        "log": column("log") == 1,
        "floor": column("floor"),
    }
    frame = frame.assign(**added)
    frame["skill"] = skill(added["score"], column("baseline"), column("oracle"), added["floor"], added["log"])
    return frame


def tables(frame: pandas.DataFrame, family: str | None = None) -> list[Table]:
    """One table a family that has rows, best first, and one overall."""
    families = sorted(set(frame["family"])) if family is None else [family]
    made = [_table(name, frame[frame["family"] == name]) for name in families]
    if family is None and len(families) > 1:
        made.append(_table("overall", frame))
    return made


def _table(title: str, rows: pandas.DataFrame) -> Table:
    label = _task_label(rows)
    rows = rows.assign(label=label)
    possible = len(rows.drop_duplicates(["label", "seed"]))
    described = rows.dropna(subset=["metric"]).drop_duplicates("label").sort_values("label")
    tasks = tuple(
        (str(t), str(m), bool(low))
        for t, m, low in zip(described["label"], described["metric"], described["lower_is_better"], strict=True)
    )
    standings = [_standing(str(name), group, possible) for name, group in rows.groupby("method", sort=True)]
    standings.sort(key=lambda s: (-(s.skill if s.skill is not None else -1), s.method))
    return Table(title, tuple(standings), tasks)


def _task_label(rows: pandas.DataFrame) -> list[str]:
    """Task and tier, and the salt of held-out data."""
    return [
        f"{task} [{tier}]" + (f" (salt {salt})" if salt else "")
        for task, tier, salt in zip(rows["task"], rows["tier"], rows["salt"], strict=True)
    ]


def _standing(method: str, rows: pandas.DataFrame, possible: int) -> Standing:
    known = rows.dropna(subset=["skill"])
    mean = low = high = None
    if len(known):
        values = known["skill"].to_numpy()
        strata = np.unique(known["label"].to_numpy(dtype=str), return_inverse=True)[1]
        mean = float(interquartile_mean(values))
        low, high = stratified_bootstrap(values, strata)
    medians = rows.dropna(subset=["score"]).groupby("label")["score"].median()
    seconds, parameters = rows["fit_seconds"].median(), rows["parameters"].astype(float).median()
    return Standing(
        method,
        bool(rows["own"].any()),
        mean,
        low,
        high,
        len(rows),
        possible,
        int((~rows["status"].isin(SCORED)).sum()),
        None if np.isnan(seconds) else float(seconds),
        None if np.isnan(parameters) else int(parameters),
        {str(k): float(v) for k, v in medians.items()},
    )


def render(made: Sequence[Table], format: str) -> str:
    """Tables as text."""
    if format == "json":
        return json.dumps([_plain(table) for table in made], indent=2)
    if format == "csv":
        return _csv(made)
    import tabulate

    style = {"terminal": "simple", "md": "github", "tex": "latex_booktabs"}.get(format)
    if style is None:
        raise UserError(f"unknown format '{format}'; formats: terminal, md, html, tex, csv, json")
    parts = []
    for table in made:
        head, body = _cells(table)
        text = tabulate.tabulate(
            body, head, tablefmt=style, disable_numparse=True, colalign=["left"] + ["right"] * (len(head) - 1)
        )
        title = {"terminal": f"{table.title}\n", "md": f"## {table.title}\n", "tex": f"% {table.title}"}[format]
        parts.append(f"{title}\n{text}\n")
    return "\n".join(parts) if parts else "no rows yet; `dynamark run quick` makes some\n"


def _cells(table: Table) -> tuple[list[str], list[list[str]]]:
    """Header and body: skill, coverage and cost, and in a family's table the median score of each task."""
    shown = [] if table.title == "overall" else list(table.tasks)
    head = ["method", "skill", "95 %", "runs", "failed", "fit s", "parameters"]
    head += [f"{name.split('/', 1)[-1]}, {metric}" for name, metric, _ in shown]
    body = []
    for s in table.standings:
        interval = "" if s.low is None or s.high is None else f"{s.low:.2f} to {s.high:.2f}"
        row = [
            s.method + (" *" if s.own else ""),
            _number(s.skill, ".3f"),
            interval,
            f"{s.runs}/{s.possible}",
            str(s.failed),
            _number(s.fit_seconds, ".2g"),
            "" if s.parameters is None else str(s.parameters),
        ]
        body.append(row + [_number(s.scores.get(name), ".3g") for name, _, _ in shown])
    return head, body


def _number(value: float | None, style: str) -> str:
    return "" if value is None else format(value, style)


def _csv(made: Sequence[Table]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["table", "method", "own", "skill", "low", "high", "runs", "possible", "failed", "fit_seconds", "parameters"]
    )
    for table in made:
        for s in table.standings:
            standing = [s.skill, s.low, s.high, s.runs, s.possible, s.failed, s.fit_seconds, s.parameters]
            writer.writerow([table.title, s.method, int(s.own), *standing])
    return out.getvalue()


def _plain(table: Table) -> dict[str, Any]:
    return {
        "table": table.title,
        "tasks": [{"task": t, "score": m, "lower_is_better": low} for t, m, low in table.tasks],
        "standings": [vars(s) for s in table.standings],
    }
