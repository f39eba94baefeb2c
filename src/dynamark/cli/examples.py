"""One example for the help of every verb."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

__all__ = ["EXAMPLES", "add_verbose", "dress", "leaves"]

EXAMPLES = {
    "run": "dynamark run quick --method path/mine.py:Mine --seeds 3",
    "leaderboard": "dynamark leaderboard --family chaos --format html --out page.html",
    "claims list": "dynamark claims list --family lds",
    "claims show": "dynamark claims show C01",
    "claims run": "dynamark claims run C01 --workers 2",
    "compare": "dynamark compare results/published results/runs --effect 0.05",
    "history": "dynamark history --method stu --task 'lds/*'",
    "bisect": "dynamark bisect stu lds/arx v0.1.0 HEAD --tier tiny",
    "reproduce": "dynamark reproduce 3fa9c1 --store results/runs",
    "results verify": "dynamark results verify results/runs/quick--edmd.parquet",
    "results merge": "dynamark results merge part-1 part-2 --store results/runs",
    "results submit": "dynamark results submit mine.py:Mine --by 'Ada Lovelace' --link https://example.org/mine/tree/0123abc",
    "results carry": "dynamark results carry v0.1.0 --store results/runs --dry-run",
    "slurm": "dynamark slurm koopman/forecasting --hours 4",
    "list": "dynamark list methods",
    "check": "dynamark check 'path/mine.py:Mine(rank=8)'",
    "data verify": "dynamark data verify 'chaos/*'",
    "data record": "dynamark data record chaos/lorenz63",
    "data export": "dynamark data export chaos/lorenz63 lorenz --seed 1",
    "completion": "source <(dynamark completion bash)",
}


def leaves(parser: argparse.ArgumentParser, verb: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The parsers that are called in the end, by the words that call them: of `claims` those of list, show and run."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield verb, parser
    for action in below:
        for name, sub in action.choices.items():
            yield from leaves(sub, f"{verb} {name}")


def dress(parser: argparse.ArgumentParser, verb: str) -> None:
    """Give a verb's parsers their examples, and the option --verbose."""
    own = list(leaves(parser, verb))
    for name, leaf in own:
        leaf.epilog = f"Example: {EXAMPLES[name]}".replace("%", "%%")
        add_verbose(leaf)
    if len(own) > 1:
        parser.epilog = f"Example: {EXAMPLES[own[0][0]]}"


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """Add --verbose. A parser below another must not reset what was given to that one."""
    parser.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=argparse.SUPPRESS,
        help="report progress on stderr, one line per event; -vv for details",
    )
