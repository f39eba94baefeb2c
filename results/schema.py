"""The row: one run, as an Arrow record. Explicit, versioned, without pickles."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from dynamark.errors import UserError, one_line

__all__ = [
    "EXPERIMENT",
    "FAILED",
    "LOST",
    "RUN",
    "SCHEMA",
    "SCHEMA_VERSION",
    "SCORED",
    "STATUSES",
    "Row",
    "fitting",
    "refuse_unfit",
    "table",
]

SCHEMA_VERSION = 2

# How a run can end. A diverged run answered, but with NaN or infinity: it is scored, with the worst values.
SCORED = ("ok", "diverged")
FAILED = ("error", "timeout", "out_of_memory", "crashed")
STATUSES = (*SCORED, *FAILED, "skipped")

# A run that ended for a reason that is not the method's: a full disk, a killed process. It is reported and taken up again, and
# never becomes a row.
LOST = "lost"

# What a row is: a task x method x seed, or a measurement that a claim needs and no task and method give.
RUN, EXPERIMENT = "run", "experiment"

Row = dict[str, Any]

_PRIMARY = pa.struct(
    [
        ("score", pa.string()),  # its name
        ("value", pa.float64()),
        ("lower_is_better", pa.bool_()),
        ("log", pa.bool_()),  # skill is measured on its logarithm
        ("floor", pa.float64()),  # values below count as this much
        ("baseline", pa.float64()),  # the primary score of a trivial answer
        ("oracle", pa.float64()),  # and of the best possible one; null where unknown
    ]
)

_CANDIDATE = pa.struct(
    [
        ("fields", pa.string()),  # JSON: those that differ from the first candidate's
        ("budget", pa.int64()),  # steps or passes that it was given
        ("score", pa.float64()),  # on validation data, the smaller the better; infinite if it failed
        ("seconds", pa.float64()),
        ("chosen", pa.bool_()),
    ]
)

_CARRIED = pa.struct(
    [
        ("method_source", pa.string()),  # the digests that the row had before
        ("task_source", pa.string()),
        ("commit", pa.string()),  # of the code with these digests
        ("tiny", pa.int64()),  # tiny runs that both revisions made, equal to the bit
        ("rows", pa.int64()),  # rows that were run again, equal to the bit
        ("date", pa.string()),  # UTC, ISO 8601
    ]
)

_PROVENANCE = pa.struct(
    [
        ("dynamark", pa.string()),
        ("commit", pa.string()),
        ("dirty", pa.bool_()),
        ("python", pa.string()),
        ("torch", pa.string()),
        ("numpy", pa.string()),
        ("scipy", pa.string()),
        ("numba", pa.string()),  # null where it is not installed: its kernels round differently
        ("system", pa.string()),
        ("machine", pa.string()),
        ("processor", pa.string()),
        ("cores", pa.int32()),
        ("threads", pa.int32()),
        ("blas", pa.string()),
        ("blas_kernels", pa.string()),  # of every library for linear algebra; null in rows of schema 1
        ("variables", pa.string()),  # JSON of the environment variables that change bits; null in rows of schema 1
        ("device", pa.string()),
        ("deterministic", pa.bool_()),
    ]
)

_SUBMISSION = pa.struct(
    [
        ("by", pa.string()),  # who submitted it
        ("link", pa.string()),  # the source of the method
        ("rerun", pa.string()),  # what of the submission was run again, and where; null if nothing was
    ]
)

_COLUMNS = [
    ("key", pa.string()),
    ("suite", pa.string()),
    ("kind", pa.string()),  # what it is: a run, or an experiment of a claim
    ("family", pa.string()),
    ("task", pa.string()),
    ("tier", pa.string()),
    ("task_version", pa.int32()),
    ("task_fields", pa.string()),  # JSON
    ("task_source", pa.string()),  # digest of the task's source
    ("salt", pa.string()),
    ("method", pa.string()),
    ("method_fields", pa.string()),  # JSON
    ("method_source", pa.string()),  # digest of the method's source
    ("seed", pa.int64()),
    ("budget", pa.int64()),
    ("device", pa.string()),
    ("status", pa.string()),
    ("reason", pa.string()),
    ("primary", _PRIMARY),
    ("scores", pa.list_(pa.struct([("name", pa.string()), ("value", pa.float64())]))),
    (
        "curves",
        pa.list_(
            pa.struct([("name", pa.string()), ("axis", pa.list_(pa.float64())), ("values", pa.list_(pa.float64()))])
        ),
    ),
    ("fit_seconds", pa.float64()),
    ("predict_seconds", pa.float64()),
    ("peak_memory", pa.int64()),  # bytes, of the cohort's process
    ("parameters", pa.int64()),
    ("steps", pa.int64()),
    ("cohort_size", pa.int32()),
    ("candidates", pa.list_(_CANDIDATE)),  # those that competed on validation data; null where nothing was chosen
    ("finished", pa.string()),  # UTC, ISO 8601
    ("provenance", _PROVENANCE),
    ("submission", _SUBMISSION),  # null in results of the project itself
    # How it came from the source that it ran with to that in its key: the oldest step first; null for a row that simply ran.
    ("carried_from", pa.list_(_CARRIED)),
]

SCHEMA = pa.schema(_COLUMNS, metadata={"dynamark_schema": str(SCHEMA_VERSION)})


def table(rows: list[Row]) -> pa.Table:
    """Rows as an Arrow table with the schema; columns that a row lacks are null.

    A row that the schema does not take (one written by other code than the journal's) is one of status `error`.
    """
    try:
        return pa.Table.from_pylist(rows, schema=SCHEMA)
    except _UNFIT:
        return pa.Table.from_pylist([fitting(row) for row in rows], schema=SCHEMA)


def fitting(row: Row) -> Row:
    """The row, if the schema takes it; else a row of status `error` that says what does not fit.

    One value that no column takes (a count of 2^63, a lone surrogate) would make the whole file unwritable.
    """
    reason = _misfit(row)
    if reason is None:
        return row
    planned = {name: row[name] for name in _PLANNED if name in row and _column_misfit(name, row[name]) is None}
    return {**planned, "status": "error", "reason": f"a value cannot be stored: {reason}"}


# What is known of a row before its run; refused at the door if it does not fit.
_PLANNED = (*(name for name, _ in _COLUMNS[:16]), "cohort_size", "finished")


# What Arrow raises for a value that a column does not take.
_UNFIT = (pa.ArrowException, UnicodeError, OverflowError, TypeError, ValueError, AttributeError)


def refuse_unfit(rows: list[Row]) -> None:
    """Raise a `UserError` if a planned row has a value that no row can hold, before anything runs."""
    try:
        pa.Table.from_pylist(rows, schema=SCHEMA)
    except _UNFIT:
        for row in rows:
            if (reason := _misfit(row)) is not None:
                raise UserError(f"a run cannot be stored: {reason}; choose another value") from None
        raise


def _misfit(row: Row) -> str | None:
    return next((why for name, value in row.items() if (why := _column_misfit(name, value)) is not None), None)


def _column_misfit(name: str, value: Any) -> str | None:
    if name not in SCHEMA.names:
        return f"there is no column '{one_line(name, 60)}'"
    try:
        pa.array([value], SCHEMA.field(name).type)
    except _UNFIT as error:
        return f"'{name}': {one_line(str(error), 120)}"
    return None
