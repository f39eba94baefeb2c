"""`dynamark compare BASE NEW`."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("base", metavar="BASE", help="a store or a Parquet file")
    add("new", metavar="NEW", help="a store or a Parquet file")
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
    add("--all", action="store_true", help="show what stayed the same, too")


def main(told: argparse.Namespace) -> int:
    """Compare; exit code 0 fine, 1 worse, 3 incomparable or missing, 4 failed runs."""
    from dynamark.leaderboard.compare import compare, render

    comparison = compare(told.base, told.new, effect=told.effect, slowdown=told.slowdown)
    print(render(comparison, told.all))
    return comparison.exit_code
