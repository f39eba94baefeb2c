"""`dynamark run SUITE`."""

from __future__ import annotations

import argparse
import re
import sys


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("suite", help="a shipped board or suite (see `dynamark list boards` and `suites`) or the path of a TOML file")
    add("--task", action="append", default=[], metavar="GLOB", help="only tasks that match; may repeat")
    add(
        "--method",
        action="append",
        default=[],
        metavar="SPEC",
        help="only this method, with the suite's fields where none are args; one that the suite does not list joins all its "
        "tasks: NAME, path/mine.py:Mine, 'path/mine.py:Mine(rank=8)', mine=path/mine.py:Mine; may repeat",
    )
    add(
        "--seeds",
        type=_seeds,
        metavar="N",
        help="so many seeds, or these: 5, 7-9, 0,3,7-9 (default: the suite's number)",
    )
    add("--tier", metavar="TIER", help="tiny, standard or large (default: the suite's)")
    add("--store", metavar="DIR", help="folder of the rows (default: $DYNAMARK_STORE or results/runs)")
    add("--workers", type=int, metavar="N", help="cohorts at a time (default: the number of cores)")
    add("--timeout", type=float, default=600.0, metavar="S", help="seconds a run may take (default: %(default)g)")
    add("--memory-gb", type=float, default=8.0, metavar="G", help="memory a cohort may take (default: %(default)g)")
    add("--engine", choices=["local", "inline"], default="local", help="processes with limits, or this process without")
    add("--device", choices=["cpu", "cuda"], default="cpu", help="where methods compute (default: %(default)s)")
    add("--force", action="store_true", help="run again what the store holds")
    add("--retry-failed", action="store_true", help="run again what failed")
    add("--salt", default="", metavar="S", help="any word: all data made anew, for a held-out comparison")
    add("--shard", type=_shard, default=(1, 1), metavar="I/N", help="only the I-th of N parts, counted from 1")
    add("--dry-run", action="store_true", help="only count the runs and predict their hours from published results")
    add("--quiet", action="store_true", help="no table and no progress")


def _seeds(text: str) -> int | list[int]:
    """A number of seeds; or a list of seeds and of ranges with both their ends."""
    if text.lstrip("-").isdigit():
        return int(text)
    parts = [re.fullmatch(r"(\d+)(?:-(\d+))?", part) for part in text.split(",")]
    named = [seed for part in parts if part for seed in range(int(part[1]), int(part[2] or part[1]) + 1)]
    if not (named and all(parts)):
        raise argparse.ArgumentTypeError(f"'{text}' names no seeds; write 5 (0 to 4), 7-9 or 0,3,7-9")
    return named


def _shard(text: str) -> tuple[int, int]:
    part = re.fullmatch(r"(\d+)/(\d+)", text)
    if part is None:
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form I/N with 1 <= I <= N")
    return int(part[1]), int(part[2])


def main(args: argparse.Namespace) -> int:
    """Run, then print the table of the suite. Exit code 0, or 4 when runs failed, or 130 when interrupted."""
    from dynamark.cli.output import print_failures
    from dynamark.runners.run import run

    try:
        report = run(
            args.suite,
            task=args.task,
            method=args.method,
            seeds=args.seeds,
            tier=args.tier,
            store=args.store,
            workers=args.workers,
            timeout=args.timeout,
            memory_gb=args.memory_gb,
            engine=args.engine,
            device=args.device,
            force=args.force,
            retry_failed=args.retry_failed,
            salt=args.salt,
            shard=args.shard,
            progress=not args.quiet,
            dry_run=args.dry_run,
        )
    except KeyboardInterrupt:
        print("\ndynamark: stopped; finished runs are kept, and the same command resumes", file=sys.stderr)
        return 130
    if not args.quiet and not args.dry_run:
        from dynamark.leaderboards.assemble import leaderboard

        print(leaderboard(report.store, published=False, keys=report.keys))
    for task, method, why in report.plan.not_applicable:
        print(f"skipped: {method} on {task}: it {why}", file=sys.stderr)
    print_failures(report.failures)
    print(report.summary, file=sys.stderr)
    return 4 if report.failures else 0
