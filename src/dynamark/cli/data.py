"""`dynamark data verify|record|export`."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    verbs = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    verify = verbs.add_parser("verify", help="regenerate the data of tasks and compare with the digests kept")
    verify.add_argument("tasks", nargs="*", metavar="GLOB", help="only these tasks")
    record = verbs.add_parser("record", help="write new digests, after a change of meaning (needs a checkout)")
    record.add_argument("tasks", nargs="*", metavar="GLOB", help="only these tasks")
    export = verbs.add_parser("export", help="write one instance as Parquet with a data-set card")
    export.add_argument("task", metavar="TASK")
    export.add_argument("folder", type=Path, metavar="DIR")
    export.add_argument("--tier", default="standard", metavar="TIER")
    export.add_argument("--seed", type=int, default=0, metavar="K")


def main(args: argparse.Namespace) -> int:
    """Verify (exit code 1 when something differs), record or export."""
    from dynamark.runners import data

    if args.what == "export":
        data.export(args.task, args.folder, args.tier, args.seed)
        print(f"wrote {args.folder}; read it with datasets.load_dataset({str(args.folder)!r})")
        return 0
    if args.what == "record":
        for path in data.record(args.tasks):
            print(f"wrote {path}")
        return 0
    wrong = False
    for entry, verdict, why in data.verify(args.tasks):
        wrong |= verdict == "FAIL"
        print(f"{verdict:4}  {entry}{'' if why is None else ': ' + why}")
    return 1 if wrong else 0
