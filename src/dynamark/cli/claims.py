"""`dynamark claims list|run|show`."""

from __future__ import annotations

import argparse

from dynamark.cli.options import add_engine, add_timeout, add_workers


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    verbs = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    listed = verbs.add_parser("list", help="list claims and verdicts, given the available results")
    listed.add_argument(
        "--format", choices=["terminal", "md"], default="terminal", help="output format (default: %(default)s)"
    )
    listed.add_argument("--out", metavar="FILE", help="write to FILE instead of stdout")
    shown = verbs.add_parser("show", help="show claims in full, with the runs behind them")
    ran = verbs.add_parser("run", help="run whatever the claims still need")
    add_workers(ran)
    add_timeout(ran)
    add_engine(ran)
    ran.add_argument("--retry-failed", action="store_true", help="also re-run failed runs")
    for verb in (listed, shown, ran):
        about = "failed runs" if verb is ran else "each quantity with its interval and verdict"
        verb.add_argument("--json", action="store_true", help=f"print JSON: {about}")
        verb.add_argument(
            "ids",
            nargs="+" if verb is shown else "*",
            metavar="ID",
            help="only these claims: C01, my_claims.py:C1, or my_claims.py for all claims in a file",
        )
        verb.add_argument(
            "--claims", action="append", default=[], metavar="FILE", help="only the claims in this file (repeatable)"
        )
        verb.add_argument("--family", metavar="F", help="only this family, for example sensing, lds, koopman or chaos")
        verb.add_argument(
            "--store", metavar="DIR", help="your results folder (default: $DYNAMARK_STORE or results/runs)"
        )
    for verb in (listed, shown):
        verb.add_argument("--no-published", action="store_true", help="leave out the published results")
        verb.add_argument(
            "--salt", default="", metavar="S", help="also show the verdicts on the held-out data with this salt"
        )
    ran.add_argument(
        "--salt",
        default="",
        metavar="S",
        help="any string, or - to read it from stdin: regenerate all data from other seeds (held-out evaluation)",
    )


def main(args: argparse.Namespace) -> int:
    """List, show or run claims. `list` and `show` exit with 0; `run` exits with 0, or with 4 when runs failed."""
    from dynamark.cli.interruption import end_gracefully
    from dynamark.cli.output import as_json, print_failures, write
    from dynamark.cli.salt import secret
    from dynamark.runners.claims.api import claims, run_claims

    ids = [*args.ids, *args.claims]
    if args.what == "run":
        end_gracefully("interrupted; finished runs are saved, run the same command to resume")
        failures = run_claims(
            *ids,
            family=args.family,
            store=args.store,
            workers=args.workers,
            timeout=args.timeout,
            engine=args.engine,
            retry_failed=args.retry_failed,
            progress=not (args.json or getattr(args, "verbose", 0)),
            salt=secret(args.salt),
        )
        if args.json:
            named = ("status", "method", "task", "tier", "seed", "reason", "key")
            write(as_json({"failures": [{name: row[name] for name in named} for row in failures]}), None)
        else:
            print_failures(failures)
        return 4 if failures else 0
    stores = [args.store] if args.store else []
    chosen = claims(*ids, family=args.family, stores=stores, published=not args.no_published, salt=args.salt)
    if args.json:
        write(as_json(chosen.records()), getattr(args, "out", None))
        return 0
    if args.what == "show":
        write(chosen.to_text(), None)
        return 0
    write(chosen.to_markdown() if args.format == "md" else str(chosen), args.out)
    return 0
