"""`dynamark check METHOD`."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("method", metavar="METHOD", help="NAME or path/mine.py:Mine, with arguments in brackets if any")
    parser.add_argument("--task", action="append", default=[], metavar="TASK", help="try it on this task; may repeat")
    parser.add_argument("--timeout", type=float, default=120.0, metavar="S", help="seconds a run may take")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")


def main(args: argparse.Namespace) -> int:
    """Print the findings; exit code 1 when one is bad."""
    from dynamark.runners.check import check

    findings = check(args.method, task=args.task, timeout=args.timeout, device=args.device)
    for finding in findings:
        print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.what}{': ' if finding.detail else ''}{finding.detail}")
    return 0 if all(finding.ok for finding in findings) else 1
