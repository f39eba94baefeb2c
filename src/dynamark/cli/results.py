"""`dynamark results verify FILE` and `dynamark results carry OLD_REVISION`."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    verbs = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    about = "verify results before they are published"
    verify = verbs.add_parser("verify", help=about, description=about)
    verify.add_argument("files", nargs="+", metavar="FILE", help="a Parquet file from a results folder")
    _carry_arguments(
        verbs.add_parser(
            "carry",
            help="keep results after a change of the source code that does not change any result",
            description="Write the results of an older revision again under the keys of the current source code, if a "
            "re-run sample is bitwise equal: a tiny run of every task and method, by both revisions, and 5%% of the results "
            "themselves. If anything differs, nothing is written.",
        )
    )


def _carry_arguments(parser: argparse.ArgumentParser) -> None:
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
    add("--workers", type=int, metavar="N", help="number of parallel workers (default: number of cores)")
    add(
        "--timeout", type=float, default=600.0, metavar="S", help="time limit per run in seconds (default: %(default)g)"
    )
    add(
        "--memory-gb",
        type=float,
        default=8.0,
        metavar="G",
        help="memory limit per worker in GiB (default: %(default)g)",
    )
    add(
        "--engine",
        choices=["local", "inline"],
        default="local",
        help="local: isolated processes with limits; inline: one process, no limits (default: %(default)s)",
    )
    add("--dry-run", action="store_true", help="run nothing; print what would be carried, and what the sample needs")
    add("--quiet", action="store_true", help="print no progress bar")


def main(args: argparse.Namespace) -> int:
    """Verify or carry results. The exit code is that of the verb."""
    return _verify(args) if args.what == "verify" else _carry(args)


def _verify(args: argparse.Namespace) -> int:
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


def _carry(args: argparse.Namespace) -> int:
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
