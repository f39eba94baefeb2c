"""`dynamark leaderboard`."""

from __future__ import annotations

import argparse

__all__ = ["arguments", "main"]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add(
        "--format",
        choices=["terminal", "md", "html", "tex", "csv", "json"],
        default="terminal",
        help="output format (default: %(default)s)",
    )
    add("--family", metavar="F", help="only this family: sensing, lds, koopman or chaos")
    add("--tier", metavar="TIER", help="only this tier: tiny, standard or large")
    add("--task", action="append", default=[], metavar="GLOB", help="only tasks whose name matches (repeatable)")
    add("--method", action="append", default=[], metavar="GLOB", help="only methods whose name matches (repeatable)")
    add("--out", metavar="FILE", help="write to FILE instead of stdout")
    add(
        "--store",
        action="append",
        default=[],
        metavar="DIR",
        help="your results folder (repeatable; default: $DYNAMARK_STORE or results/runs)",
    )
    add(
        "--history",
        type=int,
        metavar="N",
        help="with --format html: a section with the trends over the last N revisions of results/published in this checkout",
    )
    add(
        "--suite",
        action="append",
        default=[],
        metavar="FILE",
        help="show the sweeps of this suite file, too (repeatable)",
    )
    add("--no-published", action="store_true", help="leave out the published results")


def main(args: argparse.Namespace) -> int:
    """Print the leaderboard or write it to a file."""
    from dynamark.cli.output import write
    from dynamark.errors import UserError
    from dynamark.leaderboards.assemble import leaderboard

    board = leaderboard(
        *args.store,
        family=args.family,
        tier=args.tier,
        task=args.task,
        method=args.method,
        published=not args.no_published,
        suites=args.suite,
    )
    if args.history is not None:
        from dynamark.leaderboards.gate.history import history, revisions

        if args.format != "html" or args.history < 2:
            raise UserError(
                "--history needs --format html and at least 2 revisions; `dynamark history` prints other formats"
            )
        write(board.to_html(history(revisions(most=args.history))), args.out)
        return 0
    write(board.to_text(args.format), args.out)
    return 0
