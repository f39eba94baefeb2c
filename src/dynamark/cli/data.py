"""`dynamark data verify|record|export`."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    verbs = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    verify = verbs.add_parser("verify", help="regenerate the data of tasks and compare it with the recorded digests")
    verify.add_argument("tasks", nargs="*", metavar="GLOB", help="only tasks whose name matches")
    record = verbs.add_parser("record", help="record new digests after a task's data has changed (needs a checkout)")
    record.add_argument("tasks", nargs="*", metavar="GLOB", help="only tasks whose name matches")
    export = verbs.add_parser("export", help="write the data of a task to a folder, as Parquet with a dataset card")
    export.add_argument("task", metavar="TASK", help="the task, for example chaos/lorenz63")
    export.add_argument("folder", type=Path, metavar="DIR", help="the folder to write to")
    export.add_argument(
        "--tier", default="standard", metavar="TIER", help="tiny, standard or large (default: %(default)s)"
    )
    export.add_argument("--seed", type=int, default=0, metavar="K", help="the data seed (default: %(default)s)")


def main(args: argparse.Namespace) -> int:
    """Verify, record or export data. `verify` exits with 1 when any data differs."""
    from dynamark.cli.output import say
    from dynamark.runners import data

    if args.what == "export":
        data.export(args.task, args.folder, args.tier, args.seed)
        say(f"wrote {args.folder}; load it with datasets.load_dataset({str(args.folder)!r})")
        return 0
    if args.what == "record":
        for path in data.record(args.tasks):
            say(f"wrote {path}")
        return 0
    differs = False
    for entry, state, reason in data.verify(args.tasks):
        differs |= state == "FAIL"
        say(f"{state:4}  {entry}{'' if reason is None else ': ' + reason}")
    return 1 if differs else 0
