"""`dynamark reproduce KEY`."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("key", metavar="KEY", help="key of a row, or its first digits as the page shows them")
    add("--store", action="append", default=[], metavar="DIR", help="folder of one's own rows; may repeat")
    add("--method", metavar="SPEC", help="where the method is, if it is not one of dynamark's: path/mine.py:Mine")
    add("--task", metavar="SPEC", help="where the task is, if it is not one of dynamark's")
    add(
        "--tolerance",
        type=float,
        default=1e-6,
        metavar="X",
        help="largest relative difference of a score (default: %(default)g)",
    )
    add("--timeout", type=float, default=600.0, metavar="S", help="seconds the run may take (default: %(default)g)")


def main(args: argparse.Namespace) -> int:
    """Run the row again and compare; exit code 0 the same, 1 another result, 3 another result of another source, 4 failed."""
    from dynamark.results.schema import SCORED
    from dynamark.results.store import default_store, published_store, read_rows
    from dynamark.results.verify import differences, find, places, sources
    from dynamark.runners.reproduce import rerun

    old = find(read_rows([published_store(), *(args.store or [default_store()])]), args.key)
    print(f"{old['method']} on {old['task']} [{old['tier']}], seed {old['seed']}")
    new = rerun(old, task=args.task, method=args.method, timeout=args.timeout)
    changed, moved = differences(old, new, args.tolerance), sources(old, new)
    for line in (*moved, *places(old, new), *changed):
        print(f"  {line}")
    if not changed:
        print("  the same result" + (f", {old['status']}" if old["status"] not in SCORED else ""))
        return 0
    if new["status"] not in SCORED and old["status"] in SCORED:
        return 4
    return 3 if moved else 1
