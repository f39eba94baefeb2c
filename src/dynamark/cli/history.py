"""`dynamark history [SOURCE...]`."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add(
        "sources",
        metavar="SOURCE",
        nargs="*",
        help="results in their order, oldest first: results folders, Parquet files, or git revisions as REV or REV:FOLDER "
        "(default: the revisions of --folder in this checkout)",
    )
    add(
        "--folder",
        default="results/published",
        metavar="DIR",
        help="folder of results in this checkout (default: %(default)s)",
    )
    add("--last", type=int, default=20, metavar="N", help="number of revisions (default: %(default)s)")
    add("--method", action="append", default=[], metavar="GLOB", help="only methods whose name matches (repeatable)")
    add("--task", action="append", default=[], metavar="GLOB", help="only tasks whose name matches (repeatable)")
    add(
        "--effect",
        type=float,
        default=0.02,
        metavar="X",
        help="smallest relative change of a score that counts (default: %(default)g)",
    )
    add(
        "--level",
        type=float,
        default=0.01,
        metavar="P",
        help="probability of any false alarm on the whole line (default: %(default)g)",
    )
    add(
        "--format",
        choices=["terminal", "md", "json"],
        default="terminal",
        help="output format (default: %(default)s)",
    )
    add("--json", action="store_const", const="json", dest="format", help="the same as --format json")
    add("--out", metavar="FILE", help="write to FILE instead of stdout")


def main(args: argparse.Namespace) -> int:
    """Print the history. Exit code 0."""
    from dynamark.cli.output import write
    from dynamark.errors import UserError
    from dynamark.leaderboards.gate.history import history, revisions
    from dynamark.leaderboards.gate.trend import render

    if args.last < 2:
        raise UserError(f"invalid --last {args.last}: expected at least 2")
    sources = args.sources or revisions(args.folder, args.last)
    lines = history(sources, effect=args.effect, level=args.level)
    write(render(lines, args.format, args.task, args.method), args.out)
    return 0
