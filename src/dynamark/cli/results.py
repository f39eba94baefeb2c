"""`dynamark results verify FILE`."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    verbs = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    verify = verbs.add_parser("verify", help="verify results before they are published")
    verify.add_argument("files", nargs="+", metavar="FILE", help="a Parquet file from a results folder")


def main(args: argparse.Namespace) -> int:
    """Print the problems of each file; the exit code is 1 when there are any, else 0."""
    from dynamark.cli.output import note, say
    from dynamark.errors import UserError
    from dynamark.results.store import Store, published_store, read_file
    from dynamark.results.verify import verify

    for file in map(Path, args.files):
        if not file.is_file():
            raise UserError(f"{file} does not exist; give a Parquet file from a results folder")
    published = {row["key"]: row for row in Store(published_store()).rows().to_pylist()}
    any_problem = False
    for file in map(Path, args.files):
        rows = read_file(file, None).to_pylist()
        problems = verify(rows, published, _known)
        any_problem |= bool(problems)
        say(f"{'FAIL' if problems else 'ok  '}  {file}: {len(rows)} rows")
        for problem in problems:
            note(f"      {problem}")
    return 1 if any_problem else 0


def _known(task: str, tier: str) -> tuple[int, str] | None:
    """Version and parameters of a task that ships with dynamark; None for any other task."""
    from dynamark.errors import UserError
    from dynamark.results.keys import canonical
    from dynamark.runners.registry import resolve_task, task_names
    from dynamark.runners.spec import parse

    try:
        if (spec := parse(task)).name not in task_names():
            return None
        resolved = resolve_task(spec, tier)
    except UserError:
        return None
    return resolved.version, canonical(resolved.fields())
