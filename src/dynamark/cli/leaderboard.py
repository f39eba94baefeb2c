"""`dynamark leaderboard`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

__all__ = ["arguments", "leaderboard", "main"]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("--format", choices=["terminal", "md", "html", "tex", "csv", "json"], default="terminal")
    add("--family", metavar="F", help="only this family: sensing, lds, koopman or chaos")
    add("--out", metavar="FILE", help="write there and not to the terminal")
    add(
        "--store",
        action="append",
        default=[],
        metavar="DIR",
        help="folder of one's own rows; may repeat (default: $DYNAMARK_STORE or results/runs)",
    )
    add("--no-published", action="store_true", help="without the published rows")


def main(told: argparse.Namespace) -> int:
    """Make the leaderboard."""
    from dynamark.cli.output import write
    from dynamark.errors import UserError

    for folder in told.store:
        if not Path(folder).is_dir():
            raise UserError(f"the store {folder} does not exist; name a folder that `dynamark run --store` made")
    text = leaderboard(*told.store, format=told.format, family=told.family, published=not told.no_published)
    write(text, told.out)
    return 0


def leaderboard(
    *stores: Path | str,
    format: str = "terminal",
    family: str | None = None,
    published: bool = True,
    keys: Iterable[str] | None = None,
) -> str:
    """The leaderboard of the published rows and of one's own (by default those of `results/runs`), as text.

    format: `terminal`, `md`, `html` (a whole page), `tex`, `csv` or `json`.
    family: only this one.
    keys: only these runs.
    """
    # The table knows no methods; where their sources are, for the cards of the page, is told here.
    from dynamark.leaderboard import table
    from dynamark.methods.catalogue import METHODS

    return table.leaderboard(*stores, format=format, family=family, published=published, keys=keys, methods=METHODS)
