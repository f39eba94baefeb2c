"""What papers claim, judged on the available results: the face for Python and the command."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from dynamark.results.schema import Row
from dynamark.results.store import Store, default_store, published_store, read_rows
from dynamark.runners.claims import report
from dynamark.runners.claims.select import COLUMNS, suites_of
from dynamark.runners.claims.verdicts import Judged, choose, judge_all
from dynamark.runners.run import run

if TYPE_CHECKING:
    import pandas

__all__ = ["Claims", "claims", "run_claims"]


class Claims:
    """Judged claims. As text it is the list of the terminal."""

    def __init__(self, judged: list[Judged]) -> None:
        self.judged = judged

    def __iter__(self) -> Iterable[Judged]:
        return iter(self.judged)

    def __len__(self) -> int:
        return len(self.judged)

    def __str__(self) -> str:
        return report.listing(self.judged)

    __repr__ = __str__

    def to_markdown(self) -> str:
        """The page of claims."""
        return report.markdown(self.judged)

    def to_frame(self) -> pandas.DataFrame:
        """One row a quantity: claim, family, paper, kind, verdict, quantity, value, low, high, relation."""
        import pandas

        return pandas.DataFrame(report.records(self.judged))


def claims(
    *ids: str, family: str | None = None, stores: Path | str | Iterable[Path | str] = (), published: bool = True
) -> Claims:
    """What papers claim and whether the available results reproduce it.

    ids: only these claims. family: only this one. stores: your results folders (by default `results/runs`).
    published: whether the published results count.
    """
    return Claims(judge_all(choose(ids, family), _rows(stores, published)))


def _rows(stores: Path | str | Iterable[Path | str], published: bool) -> pandas.DataFrame:
    own = [stores] if isinstance(stores, Path | str) else list(stores)
    own = own or ([default_store()] if default_store().exists() else [])
    for folder in own:
        Store(folder).compact()
    return read_rows([*([published_store()] if published else []), *own], COLUMNS).to_pandas()


def run_claims(
    *ids: str,
    family: str | None = None,
    store: Path | str | None = None,
    workers: int | None = None,
    timeout: float = 600.0,
    retry_failed: bool = False,
    progress: bool = False,
) -> list[Row]:
    """Run whatever these claims still need; the rows that failed."""
    failures: list[Row] = []
    for suite in suites_of(choose(ids, family)):
        made = run(suite, store=store, workers=workers, timeout=timeout, retry_failed=retry_failed, progress=progress)
        failures += made.failures
    return failures
