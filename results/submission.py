"""A submission: the results of one method as one Parquet file, with who submits them and where the source of the method is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from dynamark.errors import UserError, one_line, storable
from dynamark.results import disk
from dynamark.results.schema import Row, table
from dynamark.results.sealed import sealed
from dynamark.results.store import Store, read_rows

__all__ = ["PREFIX", "bundle", "collect", "earlier", "file_name", "label", "marked", "problems_of"]

# How the files of submissions begin, among the published results.
PREFIX = "submitted--"

_LINK = re.compile(r"https://[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]{4,300}")


def collect(method: str, stores: Sequence[Path | str], by: str, link: str) -> list[Row]:
    """The results of a method that are to be submitted, marked with who submits them; of one version of its source.

    Held-out results (with a salt) are left out: their data is not public. Raises `UserError` if there is nothing to submit, or
    the newest results of the method do not all have the same source.
    """
    if not by or not storable(by, 100):
        raise UserError(f"invalid --by '{one_line(by, 40)}': expected your name, at most 100 printable characters")
    if not _LINK.fullmatch(link):
        raise UserError(
            f"invalid --link '{one_line(link, 60)}': expected the https address of the method's source at a commit"
        )
    for folder in stores:
        if not Path(folder).is_dir():
            raise UserError(
                f"the results folder {folder} does not exist; name the folder of a finished run with --store"
            )
        Store(folder).compact()
    rows: list[Row] = read_rows(stores).to_pylist()
    mine = [row for row in rows if row["method"] == method and not row["salt"]]
    if not mine:
        names = sorted({row["method"] for row in rows if row["method"]})
        raise UserError(f"no results of '{method}'; methods with results: {one_line(', '.join(names), 150) or 'none'}")
    newest = max(mine, key=lambda row: row["finished"] or "")["method_source"]
    current = [row for row in mine if row["method_source"] == newest]
    origin = {"by": by, "link": link, "rerun": None}
    return [{**row, "submission": origin} for row in sorted(current, key=lambda row: row["key"])]


def file_name(rows: Sequence[Row]) -> str:
    """The name of the file of a submission: the method and the beginning of the digest of its source."""
    method, source = rows[0]["method"], rows[0]["method_source"]
    return f"{PREFIX}{re.sub(r'[^A-Za-z0-9_.-]+', '-', method).strip('-.')[:60]}-{str(source)[:8]}.parquet"


def earlier(path: Path) -> list[Path]:
    """The files of other versions of the same method beside a file of a submission, which it replaces."""
    stem = path.stem.rpartition("-")[0]
    return sorted(other for other in path.parent.glob(f"{stem}-????????.parquet") if other != path)


def bundle(rows: Sequence[Row], path: Path) -> None:
    """Write the file of a submission."""
    beside = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(sealed(table(list(rows))))
        disk.rename(beside, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; choose another file with --out") from None


def problems_of(rows: Sequence[Row]) -> list[str]:
    """What a file of submitted results must have besides what all results must: one method, its submitter and its source."""
    problems = []
    if len({(row["method"], row["method_source"]) for row in rows}) > 1:
        problems.append("the file has more than one method, or more than one version of it; submit each by itself")
    origins = [row["submission"] or {} for row in rows]
    if any(not origin.get("by") or not _LINK.fullmatch(origin.get("link") or "") for origin in origins):
        problems.append(
            "some rows do not say who submits them or link the source; make the file with `dynamark results submit`"
        )
    if any(row["salt"] for row in rows):
        problems.append("some rows have a salt; submit results on the public data only")
    return problems


def label(row: Row) -> str:
    """How a table marks a submitted result; empty for the project's own."""
    origin = row["submission"]
    if not origin:
        return ""
    # One clean line whatever a file holds: a line break could end the comment or the cell that it stands in.
    mark = f"re-run: {origin['rerun']}" if origin["rerun"] else "not re-run"
    return one_line(f"submitted by {origin['by']}, {mark}")


def marked(rows: Sequence[Row], rerun: str | None) -> list[Row]:
    """The rows with the mark of a re-run, or without one."""
    return [{**row, "submission": {**row["submission"], "rerun": rerun}} for row in rows]
