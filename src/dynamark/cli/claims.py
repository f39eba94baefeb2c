"""`dynamark claims list|run|show`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas

    from dynamark.leaderboard.claims.claim import Claim
    from dynamark.runners.suite import Suite


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    verbs = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    listed = verbs.add_parser("list", help="every claim with its verdict on the rows that there are")
    listed.add_argument("--family", metavar="F", help="only this family: sensing, lds, koopman or chaos")
    listed.add_argument("--format", choices=["terminal", "md"], default="terminal")
    listed.add_argument("--out", metavar="FILE", help="write there and not to the terminal")
    shown = verbs.add_parser("show", help="one claim in full, with the rows behind it")
    shown.add_argument("claim", metavar="ID")
    ran = verbs.add_parser("run", help="make the rows that claims need and the store lacks")
    ran.add_argument("claims", nargs="*", metavar="ID", help="only these claims")
    ran.add_argument("--family", metavar="F", help="only the claims of this family")
    ran.add_argument("--workers", type=int, metavar="N", help="cohorts at a time (default: the number of cores)")
    ran.add_argument("--timeout", type=float, default=600.0, metavar="S", help="seconds a run may take")
    ran.add_argument("--retry-failed", action="store_true", help="run again what failed")
    for verb in (listed, shown, ran):
        verb.add_argument("--store", metavar="DIR", help="folder of one's own rows (default: as for `dynamark run`)")
    for verb in (listed, shown):
        verb.add_argument("--no-published", action="store_true", help="without the published rows")


def main(told: argparse.Namespace) -> int:
    """List or show (exit code 0), or run: 0, or 4 when runs failed."""
    from dynamark.cli.output import write
    from dynamark.leaderboard.claims import report
    from dynamark.leaderboard.claims.verdicts import choose, judge_all

    if told.what == "run":
        return _run(told)
    ids = [told.claim] if told.what == "show" else []
    chosen = choose(ids, getattr(told, "family", None))
    judged = judge_all(chosen, _rows(told))
    if told.what == "show":
        print(report.whole(judged[0]))
    elif told.format == "md":
        write(report.markdown(judged), told.out)
    else:
        write(report.listing(judged), told.out)
    return 0


def _rows(told: argparse.Namespace) -> pandas.DataFrame:
    from dynamark.leaderboard.claims.rows import COLUMNS
    from dynamark.results.store import Store, default_store, published_store, read_rows

    own = Path(told.store) if told.store else default_store()
    folders = [] if told.no_published else [published_store()]
    if own.exists():
        Store(own).compact()
        folders.append(own)
    return read_rows(folders, COLUMNS).to_pandas()


def _run(told: argparse.Namespace) -> int:
    from dynamark.cli.output import tell_failures
    from dynamark.leaderboard.claims.verdicts import choose
    from dynamark.runners.run import run

    limits = {"workers": told.workers, "timeout": told.timeout, "retry_failed": told.retry_failed}
    failures = []
    for suite in suites_of(choose(told.claims, told.family)):
        failures += run(suite, store=told.store, progress=True, **limits).failures
    tell_failures(failures)
    return 4 if failures else 0


def suites_of(chosen: Mapping[str, tuple[str, Claim]]) -> Iterator[Suite]:
    """What claims need, given by id with their family: a suite a family."""
    from dynamark.leaderboard.claims.rows import experiments_of, runs_of
    from dynamark.runners.suite import Entry, Suite

    for family in dict.fromkeys(family for family, _ in chosen.values()):
        claims = [claim for own, claim in chosen.values() if own == family]
        entries = tuple(Entry((task,), (method,), tier, seeds) for task, method, tier, seeds in runs_of(claims))
        yield Suite(f"claims-{family}", "what claims need", entries, experiments=tuple(experiments_of(claims)))
