"""`dynamark check METHOD`."""

from __future__ import annotations

import argparse

from dynamark.cli.options import add_timeout


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("method", metavar="METHOD", help="NAME, path/mine.py:Mine or 'path/mine.py:Mine(rank=8)'")
    add(
        "--task",
        action="append",
        default=[],
        metavar="TASK",
        help="check on this task (repeatable; default: small tasks of each kind, and edge cases)",
    )
    add_timeout(parser, 120.0)
    add("--json", action="store_true", help="print JSON: each finding with its detail")
    add("--device", choices=["cpu", "cuda"], default="cpu", help="device that methods run on (default: %(default)s)")


def main(args: argparse.Namespace) -> int:
    """Print the findings; the exit code is 1 when a check fails, else 0."""
    from dynamark.cli.interruption import end_gracefully
    from dynamark.cli.output import as_json, say
    from dynamark.errors import one_line
    from dynamark.runners.check import check

    end_gracefully("stopped")
    findings = check(args.method, task=args.task, timeout=args.timeout, device=args.device)
    if args.json:
        say(as_json([vars(finding) for finding in findings]))
        return 0 if all(finding.ok for finding in findings) else 1
    for finding in findings:
        mark = "ok  " if finding.ok else "FAIL"
        text = f"{finding.what}: {finding.detail}" if finding.detail else finding.what
        say(f"{mark}  {one_line(text, 1000)}")
    return 0 if all(finding.ok for finding in findings) else 1
