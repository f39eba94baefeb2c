"""`dynamark results carry OLD_REVISION`."""

from __future__ import annotations

import argparse
from pathlib import Path

from dynamark.cli.options import add_memory, add_timeout, add_workers

HELP = "keep results after a change of the source code that does not change any result"
DESCRIPTION = (
    "Write the results of an older revision again under the keys of the current source code, if a re-run sample is bitwise "
    "equal: a tiny run of every task and method, by both revisions, and 5%% of the results themselves. If anything differs, "
    "nothing is written."
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("revision", metavar="OLD_REVISION", help="the git revision whose code produced the results")
    add("--store", metavar="DIR", help="your results folder (default: $DYNAMARK_STORE or results/runs)")
    for name in ("task", "method"):
        add(
            f"--{name}",
            action="append",
            default=[],
            metavar="GLOB",
            help=f"carry only results whose {name} matches (repeatable)",
        )
    add_workers(parser)
    add_timeout(parser)
    add_memory(parser)
    add(
        "--engine",
        choices=["local", "inline"],
        default="local",
        help="local: isolated processes with limits; inline: one process, no limits (default: %(default)s)",
    )
    add("--dry-run", action="store_true", help="run nothing; print what would be carried, and what the sample needs")
    add("--quiet", action="store_true", help="print no progress bar")


def main(args: argparse.Namespace) -> int:
    """Carry results. Exit code: 0; 1 when the sample differs; 4 when runs of the sample were lost; 130 when interrupted."""
    from dynamark.cli.interruption import end_gracefully
    from dynamark.cli.output import note, say
    from dynamark.results.store import default_store
    from dynamark.runners.carry.carry import carry

    end_gracefully("interrupted; nothing was carried, run the same command to resume")
    store = Path(args.store) if args.store else default_store()
    report = carry(
        args.revision,
        store=store,
        task=args.task,
        method=args.method,
        workers=args.workers,
        timeout=args.timeout,
        memory_gb=args.memory_gb,
        engine=args.engine,
        dry_run=args.dry_run,
        progress=not args.quiet,
    )
    for reason, count in sorted(report.left_alone.items()):
        note(f"left alone: {count} {reason}")
    if report.refused:
        note(f"refused, nothing was carried: {report.refused}")
        return 4 if report.lost else 1
    if not report.rows:
        say(f"no results in {store} can be carried from {args.revision}")
        return 0
    sample = f"{report.tiny} tiny runs of each revision and {report.again} of the results"
    if args.dry_run:
        say(f"{report.rows} results can be carried from {args.revision} if the sample is bitwise equal")
        say(f"sample: {sample}, about {report.seconds:.2g} seconds on two cores")
        return 0
    there = report.rows - report.written
    say(f"{report.written} results carried from {args.revision}{f', {there} were there already' if there else ''}")
    say(f"sample: {sample}, all bitwise equal; results in {store}")
    return 0
