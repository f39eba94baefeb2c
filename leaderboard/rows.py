"""The rows behind a leaderboard: read, cleared of what newer rows replace, with the skill of each. Column by column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy import ndarray

from dynamark.leaderboards.statistics import skill
from dynamark.results.schema import EXPERIMENT, SCORED
from dynamark.results.store import Store, published_store, read_rows
from dynamark.results.submission import label

if TYPE_CHECKING:
    import pandas

__all__ = ["gathered", "prepare"]

# What identifies an instance of a task, and a run in a table.
INSTANCE = ["family", "task", "tier", "salt"]
RUN = [*INSTANCE, "method", "seed"]

# A method in a table: its name, its fields and its source. Rows of another than the newest are left out, so that none is mixed.
IDENTITY = ["method_fields", "method_source"]

COLUMNS = [
    *("key", "suite", "kind", *INSTANCE, "task_version", "task_fields", "method", *IDENTITY, "seed"),
    *("status", "primary", "fit_seconds", "parameters", "peak_memory", "steps", "finished", "submission"),
]
_TEXTS = ["suite", "kind", *INSTANCE, "task_fields", "method", *IDENTITY, "status"]
_NUMBERS = [
    "task_version",
    "seed",
    "fit_seconds",
    "parameters",
    "cohort_size",
    "predict_seconds",
    "peak_memory",
    "steps",
]


def gathered(
    stores: Sequence[Path | str],
    published: bool = True,
    keys: Iterable[str] | None = None,
    columns: Sequence[str] = (),
) -> pa.Table:
    """The published rows and those of stores, as they are stored, with a column `own`: not among the published ones.

    keys: only these runs. columns: further columns to read.
    """
    for folder in stores:
        Store(folder).compact()
    folders = [*([published_store()] if published else []), *stores]
    rows = read_rows(folders, list(dict.fromkeys([*COLUMNS, *columns])))
    own = np.zeros(len(rows), dtype=bool)
    if published and stores:
        # Of a published run that was done again, the newer row is the user's own: a key alone does not tell.
        shipped = Store(published_store()).rows(["key", "finished"])
        if len(shipped):
            own = ~pc.is_in(_stamp(rows), value_set=_stamp(shipped)).to_numpy(zero_copy_only=False)
    rows = rows.append_column("own", pa.array(own))
    if keys is not None:
        rows = rows.filter(pc.is_in(rows["key"], value_set=pa.array(sorted(keys), pa.string())))
    return rows


def _stamp(rows: pa.Table) -> pa.Array:
    return pc.binary_join_element_wise(rows["key"], rows["finished"], "@").combine_chunks()


def prepare(rows: pa.Table) -> pandas.DataFrame:
    """Rows in one order, whatever theirs was, each run once, with what `primary` holds as columns, and with `skill`
    and `submitted` (who submitted the row; no text for the project's own).

    Texts become categories in alphabetical order. Left out are: measurements of claims; variants that only claims ask for;
    skipped runs; and what newer rows replace (`attrs["replaced"]` counts them): runs of an older version of a task or with
    other parameters under the same name, and all runs of a method whose fields or source have changed since. A run that a claim
    asked for never replaces one of a suite: its budget may be another.
    """
    import pandas

    flat: dict[str, Any] = {name: _categories(rows[name]) for name in _TEXTS if name in rows.column_names}
    for name in rows.column_names:
        if name in _NUMBERS:
            flat[name] = rows[name].to_numpy()
        elif name not in flat and name not in ("primary", "submission"):
            flat[name] = rows[name].to_pandas().to_numpy()
    flat["submitted"] = _submitted(rows)
    primary = rows["primary"].combine_chunks()
    flat["metric"] = _categories(pc.struct_field(primary, "score"))
    for name in ("value", "floor", "baseline", "oracle"):
        flat[name] = pc.struct_field(primary, name).to_numpy(zero_copy_only=False)
    for name, absent in (("lower_is_better", True), ("log", False)):
        flat[name] = pc.struct_field(primary, name).fill_null(absent).to_numpy(zero_copy_only=False)
    frame = pandas.DataFrame(flat)
    frame["task_version"] = frame["task_version"].fillna(0)
    frame["finished"] = frame["finished"].fillna("")
    compared = _compared(frame)
    frame = frame[compared] if not compared.all() else frame
    current = _current(frame)
    replaced = len(frame) - len(current)
    frame = frame.iloc[current].reset_index(drop=True)
    for name in [n for n in [*_TEXTS, "metric", "submitted"] if n in frame]:
        frame[name] = frame[name].cat.remove_unused_categories()
    frame = frame.rename(columns={"value": "score"})
    if "own" not in frame:
        frame["own"] = False
    frame["failed"] = ~frame["status"].isin(SCORED).to_numpy()
    frame.loc[frame["failed"], "score"] = np.nan
    frame["skill"] = _skill(frame)
    frame.attrs["replaced"] = replaced
    return frame


def _submitted(rows: pa.Table) -> pandas.Categorical:
    """How each row is marked in tables: who submitted it, or no text for the project's own."""
    if "submission" not in rows.column_names:
        return _categories(pa.array([""] * len(rows)))
    origins = rows["submission"].combine_chunks()
    plain = pc.is_null(origins)
    if pc.all(plain).as_py():
        return _categories(pc.if_else(plain, "", ""))
    return _categories(pa.array([label({"submission": origin}) for origin in origins.to_pylist()], pa.string()))


def _categories(column: Any) -> pandas.Categorical:
    """A column of texts as categories in alphabetical order; null counts as no text."""
    import pandas

    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = pc.dictionary_encode(whole.fill_null(""))
    names = encoded.dictionary.to_pylist()
    order = sorted(range(len(names)), key=names.__getitem__)
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    codes = place[encoded.indices.to_numpy()] if names else np.empty(0, dtype=np.int64)
    return pandas.Categorical.from_codes(codes, categories=pandas.Index([names[i] for i in order], dtype=object))


def _compared(frame: pandas.DataFrame) -> ndarray:
    """Which rows a leaderboard compares: runs that were done, but not what only claims need."""

    def holding(column: str, wanted: Any) -> ndarray:
        names = frame[column].cat.categories
        return np.array([wanted(str(name)) for name in names], dtype=bool)[frame[column].cat.codes.to_numpy()]

    if not len(frame):
        return np.ones(0, dtype=bool)
    measured = holding("kind", lambda kind: kind == EXPERIMENT) | holding("status", lambda s: s == "skipped")
    varied = holding("method", lambda name: "(" in name) | holding("task", lambda name: "(" in name)
    return ~measured & ~(_for_claims(frame) & varied)


def _for_claims(frame: pandas.DataFrame) -> ndarray:
    """Which rows only claims asked for, perhaps with a budget of their own."""
    if "suite" not in frame:
        return np.zeros(len(frame), dtype=bool)
    suites, codes = frame["suite"].cat.categories, frame["suite"].cat.codes.to_numpy()
    return np.array([str(suite).startswith("claims-") for suite in suites], dtype=bool)[codes]


def _codes(frame: pandas.DataFrame, columns: Sequence[str]) -> ndarray:
    """One whole number for each combination of values, in the order of the columns' values."""
    combined, bound = np.zeros(len(frame), dtype=np.int64), 1
    for name in columns:
        column = frame[name]
        if hasattr(column, "cat"):
            codes, size = column.cat.codes.to_numpy(), len(column.cat.categories)
        else:
            codes = column.to_numpy(np.int64)
            codes = codes - codes.min(initial=0)
            size = int(codes.max(initial=0)) + 1
        if bound * max(size, 1) > 2**62:  # numbered anew, so that no product overflows
            combined, bound = np.unique(combined, return_inverse=True)[1], len(frame)
            codes, size = np.unique(codes, return_inverse=True)[1], len(frame)
        combined, bound = combined * max(size, 1) + codes, bound * max(size, 1)
    return combined


def _numbered(codes: ndarray) -> ndarray:
    """The same, counted from 0 without gaps."""
    return np.unique(codes, return_inverse=True)[1]


def _current(frame: pandas.DataFrame) -> ndarray:
    """Places of the rows that no newer row replaces, in the order of `RUN`."""
    instance = _numbered(_codes(frame, INSTANCE))
    version = frame["task_version"].to_numpy()
    newest = np.full(int(instance.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(newest, instance, version)
    rows = np.flatnonzero(version == newest[instance])
    rows = rows[_same_fields(frame.iloc[rows], instance[rows])]
    rows = rows[_newest_identity(frame.iloc[rows])]
    run = _codes(frame.iloc[rows], RUN)
    order = np.argsort(run, kind="stable")
    rows, run = rows[order], run[order]
    if (run[1:] == run[:-1]).any():
        doubled = np.flatnonzero(np.isin(run, run[1:][run[1:] == run[:-1]]))
        stamps = frame["finished"].to_numpy()[rows[doubled]] + "@" + frame["key"].to_numpy()[rows[doubled]]
        by_time = doubled[np.lexsort((stamps, ~_for_claims(frame.iloc[rows[doubled]]), run[doubled]))]
        last = by_time[np.append(run[by_time][1:] != run[by_time][:-1], True)]
        single = np.setdiff1d(np.arange(len(rows)), doubled, assume_unique=True)
        rows = rows[np.sort(np.concatenate([single, last]))]
    return rows


def _newest_identity(frame: pandas.DataFrame) -> ndarray:
    """Places of the rows whose method has the fields and the source of the newest row of its name in that family, tier and salt.

    Tasks that only an older one ran on are holes. A row that a claim asked for is newest only where no suite has one.
    """
    if not set(IDENTITY) <= set(frame.columns) or not len(frame):
        return np.arange(len(frame))
    method = _numbered(_codes(frame, ["family", "tier", "salt", "method"]))
    identity = _numbered(_codes(frame, IDENTITY))
    stamps = frame["finished"].to_numpy() + "@" + frame["key"].to_numpy()
    order = np.lexsort((stamps, ~_for_claims(frame)))
    newest = np.empty(int(method.max(initial=-1)) + 1, dtype=identity.dtype)
    newest[method[order]] = identity[order]  # the last assignment stays
    return np.flatnonzero(identity == newest[method])


def _same_fields(frame: pandas.DataFrame, instance: ndarray) -> ndarray:
    """Places of the rows whose task has the parameters of the row of its name that finished last."""
    if "task_fields" not in frame:
        return np.arange(len(frame))
    fields = frame["task_fields"].cat.codes.to_numpy()
    least, most = (
        np.full(int(instance.max(initial=-1)) + 1, v, dtype=fields.dtype) for v in (fields.max(initial=0), -1)
    )
    np.minimum.at(least, instance, fields)
    np.maximum.at(most, instance, fields)
    mixed = np.flatnonzero(least[instance] != most[instance])
    if not len(mixed):
        return np.arange(len(frame))
    stamps = frame["finished"].to_numpy()[mixed] + "@" + frame["key"].to_numpy()[mixed]
    order = mixed[np.argsort(stamps, kind="stable")]
    wanted = least.copy()
    wanted[instance[order]] = fields[order]  # the last assignment stays
    single = np.setdiff1d(np.arange(len(frame)), mixed, assume_unique=True)
    return np.sort(np.concatenate([single, mixed[fields[mixed] == wanted[instance[mixed]]]]))


def _skill(frame: pandas.DataFrame) -> ndarray:
    """The skill of each row. A failed run has 0 where its task has a scale (where some answer has a skill, or none at all)."""
    values = skill(*(frame[n].to_numpy() for n in ("score", "baseline", "oracle", "floor", "log", "lower_is_better")))
    failed = frame["failed"].to_numpy()
    instance = _numbered(_codes(frame, INSTANCE))
    count = int(instance.max(initial=-1)) + 1
    answered = np.bincount(instance[~failed], minlength=count)
    scaled = np.bincount(instance[~failed], weights=~np.isnan(values[~failed]), minlength=count)
    return np.where(failed & ((answered > 0) & (scaled == 0))[instance], np.nan, values)
