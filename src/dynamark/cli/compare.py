"""`dynamark compare BASE NEW`."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    what = "a store, a Parquet file, or a git revision (of results/published in this checkout)"
    add("base", metavar="BASE", help=what)
    add("new", metavar="NEW", help=what)
    add(
        "--effect",
        type=float,
        default=0.02,
        metavar="X",
        help="smallest relative change that matters (default: %(default)g)",
    )
    add(
        "--slowdown",
        type=float,
        default=1.6,
        metavar="X",
        help="smallest ratio of seconds that matters (default: %(default)g)",
    )
    add(
        "--level",
        type=float,
        default=0.01,
        metavar="P",
        help="chance of a false alarm in the whole comparison (default: %(default)g)",
    )
    add("--format", choices=["terminal", "md", "json", "junit"], default="terminal")
    add("--out", metavar="FILE", help="write there and not to the terminal")
    add("--all", action="store_true", help="show what stayed the same, too")


def main(args: argparse.Namespace) -> int:
    """Compare; exit code 0 fine, 1 worse or slower, 3 incomparable or missing, 4 failed runs."""
    from dynamark.cli.output import write
    from dynamark.errors import UserError
    from dynamark.leaderboards.gate.compare import compare
    from dynamark.leaderboards.gate.report import render

    for name, value, most in (
        ("--effect", args.effect, None),
        ("--slowdown", args.slowdown, None),
        ("--level", args.level, 1),
    ):
        if not value > 0 or (most is not None and value >= most):
            raise UserError(
                f"{name} {value} is out of range; give a number above 0" + (f" and below {most}" if most else "")
            )
    comparison = compare(args.base, args.new, effect=args.effect, slowdown=args.slowdown, level=args.level)
    args.verdict = comparison.exit_code  # stands even if the reader of the output goes away
    write(render(comparison, args.format, args.all), args.out)
    return comparison.exit_code
