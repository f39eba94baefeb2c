"""`dynamark compare BASE NEW`."""

from __future__ import annotations

import argparse

from dynamark.cli.options import add_sensitivity


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    what = "a results folder, a Parquet file, or a git revision: REV (of results/published) or REV:FOLDER"
    add("base", metavar="BASE", help=f"the reference: {what}")
    add("new", metavar="NEW", help=f"the results to test: {what}")
    add_sensitivity(parser, "any false alarm in the whole comparison")
    add(
        "--format",
        choices=["terminal", "md", "json", "junit"],
        default="terminal",
        help="output format (default: %(default)s)",
    )
    add("--out", metavar="FILE", help="write to FILE instead of stdout")
    add(
        "--require-power",
        action="store_true",
        help="exit with 3 if an unchanged score is too noisy to tell twice the effect size",
    )
    add("--all", action="store_true", help="also list what did not change")


def main(args: argparse.Namespace) -> int:
    """Compare. Exit code: 0 no regression, 1 worse or slower, 3 incomparable or missing, 4 failed runs."""
    from dynamark.cli.output import write
    from dynamark.errors import UserError
    from dynamark.leaderboards.gate.compare import compare
    from dynamark.leaderboards.gate.report import render

    for name, value, bound in (
        ("--effect", args.effect, None),
        ("--slowdown", args.slowdown, None),
        ("--level", args.level, 1),
    ):
        if not value > 0 or (bound is not None and value >= bound):
            raise UserError(
                f"invalid {name} {value}: expected a number greater than 0"
                + (f" and less than {bound}" if bound else "")
            )
    comparison = compare(
        args.base,
        args.new,
        effect=args.effect,
        slowdown=args.slowdown,
        level=args.level,
        require_power=args.require_power,
    )
    args.exit_code = comparison.exit_code  # the exit code even if the reader closes the pipe
    write(render(comparison, args.format, args.all), args.out)
    return comparison.exit_code
