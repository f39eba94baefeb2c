"""`dynamark bisect METHOD TASK GOOD BAD`."""

from __future__ import annotations

import argparse

from dynamark.cli.options import add_sensitivity, add_timeout


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("method", metavar="METHOD", help="NAME, or path/mine.py:Mine with a path relative to the current folder")
    add("task", metavar="TASK", help="the task, for example chaos/lorenz63")
    add("good", metavar="GOOD", help="an older git revision at which the scores were good")
    add("bad", metavar="BAD", help="a newer git revision at which they are worse, for example HEAD")
    add("--tier", default="standard", metavar="TIER", help="tiny, standard or large (default: %(default)s)")
    add("--seeds", type=int, default=5, metavar="N", help="number of seeds (default: %(default)s)")
    add_sensitivity(parser, "a false alarm at each commit")
    add_timeout(parser)
    add("--json", action="store_true", help="print JSON: the tested commits and the first bad commit")


def main(args: argparse.Namespace) -> int:
    """Name the first bad commit. Exit code: 0 when one is named, 3 when several remain because some could not be tested."""
    from dataclasses import asdict
    from pathlib import Path

    from dynamark.cli.interruption import end_gracefully
    from dynamark.cli.output import as_json, note, say
    from dynamark.errors import UserError
    from dynamark.leaderboards.gate.bisect import Question, bisect, describe

    if args.seeds < 2:
        raise UserError(f"invalid --seeds {args.seeds}: expected at least 2, since one seed cannot be told from noise")
    for name in ("effect", "slowdown", "level", "timeout"):
        if not getattr(args, name) > 0:
            raise UserError(f"invalid --{name} {getattr(args, name)}: expected a number greater than 0")
    if Path(args.method.partition(":")[0]).is_absolute():
        raise UserError("the path of METHOD is absolute, so every commit would run the same file; give a relative path")
    end_gracefully("stopped")
    names = ("method", "task", "tier", "seeds", "effect", "slowdown", "level", "timeout")
    outcome = bisect(Question(**{name: getattr(args, name) for name in names}), args.good, args.bad, note)
    if args.json:
        say(as_json(asdict(outcome)))
    elif len(outcome.first_bad) == 1:
        detail = next(step.detail for step in outcome.steps if step.commit == outcome.first_bad[0])
        say(f"first bad commit: {describe(outcome.first_bad)[0]}")
        say(f"  {detail}")
    else:
        say("the first bad commit is one of these; those between could not be tested:")
        for line in describe(outcome.first_bad):
            say(f"  {line}")
    return 0 if len(outcome.first_bad) == 1 else 3
