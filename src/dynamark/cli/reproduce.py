"""`dynamark reproduce KEY`."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("key", metavar="KEY", help="key of the result, or at least its first 6 digits, as shown on the HTML page")
    add(
        "--store",
        action="append",
        default=[],
        metavar="DIR",
        help="your results folder (repeatable; default: $DYNAMARK_STORE or results/runs)",
    )
    add("--method", metavar="SPEC", help="the method, if it does not ship with dynamark: path/mine.py:Mine")
    add("--task", metavar="SPEC", help="the task, if it does not ship with dynamark: path/tasks.py:Mine")
    add("--data", metavar="FILE", help="the file of the recording, if the task is one that is no longer in the cache")
    add(
        "--tolerance",
        type=float,
        default=1e-6,
        metavar="X",
        help="largest relative difference of a score that counts as equal (default: %(default)g)",
    )
    add("--timeout", type=float, default=600.0, metavar="S", help="time limit in seconds (default: %(default)g)")


def main(args: argparse.Namespace) -> int:
    """Re-run a result and compare. Exit code: 0 equal, 1 different, 3 different and the source changed, 4 now fails."""
    from dynamark.cli.interruption import end_gracefully
    from dynamark.cli.output import say
    from dynamark.errors import one_line
    from dynamark.results.schema import SCORED
    from dynamark.results.store import default_store, published_store, read_rows
    from dynamark.results.verify import differences, find, places, sources
    from dynamark.runners.reproduce import rerun

    end_gracefully("stopped")
    old = find(read_rows([published_store(), *(args.store or [default_store()])]), args.key)
    say(one_line(f"{old['method']} on {old['task']} [{old['tier']}], seed {old['seed']}"))
    new = rerun(old, task=args.task, method=args.method, data=args.data, timeout=args.timeout)
    changed, moved = differences(old, new, args.tolerance), sources(old, new)
    for line in (*moved, *places(old, new), *changed):
        say(f"  {one_line(line)}")
    if not changed:
        say("  reproduced" + (f" (status {old['status']})" if old["status"] not in SCORED else ""))
        return 0
    if new["status"] not in SCORED and old["status"] in SCORED:
        return 4
    return 3 if moved else 1
