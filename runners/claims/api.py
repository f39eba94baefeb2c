"""What papers claim, evaluated on the available results: the face for Python and the command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from dynamark.results.schema import Row
from dynamark.results.store import Store, default_store, published_store, read_rows
from dynamark.runners.claims import page, report
from dynamark.runners.claims.catalog import Listed, choose
from dynamark.runners.claims.needs import suites_of
from dynamark.runners.claims.select import COLUMNS
from dynamark.runners.claims.verdicts import Evaluation, evaluate_all

if TYPE_CHECKING:
    import pandas

__all__ = ["Claims", "claims", "run_claims"]


class Claims:
    """Evaluated claims. As text it is the list of the terminal.

    evaluations: on the public data. held_out: the same claims on data made with a salt; empty without one.
    """

    def __init__(self, evaluations: list[Evaluation], held_out: list[Evaluation] | None = None) -> None:
        self.evaluations = evaluations
        self.held_out = held_out or []

    def __iter__(self) -> Iterator[Evaluation]:
        return iter(self.evaluations)

    def __len__(self) -> int:
        return len(self.evaluations)

    def __str__(self) -> str:
        return report.listing(self.evaluations, self.held_out)

    __repr__ = __str__

    def to_text(self) -> str:
        """Each claim in full: paper, statement, quantities with intervals, and the runs behind them."""
        beside = {e.id: e for e in self.held_out}
        return "\n\n".join(report.whole(e, beside.get(e.id)) for e in self.evaluations)

    def to_markdown(self) -> str:
        """The page of claims."""
        return page.markdown(self.evaluations, self.held_out)

    def to_frame(self) -> pandas.DataFrame:
        """One row a quantity: claim, family, paper, kind, verdict, quantity, value, low, high, relation."""
        import pandas

        return pandas.DataFrame(report.records(self.evaluations))

    def records(self) -> list[dict[str, object]]:
        """The same as plain data; a record on held-out data says so."""
        pairs = ((False, self.evaluations), (True, self.held_out))
        return [{"held_out": away, **record} for away, those in pairs for record in report.records(those)]


def claims(
    *ids: str,
    family: str | None = None,
    stores: Path | str | Iterable[Path | str] = (),
    published: bool = True,
    salt: str = "",
) -> Claims:
    """What papers claim and whether the available results reproduce it.

    ids: only these claims: `C01`, `path/my_claims.py:C1`, or `path/my_claims.py` for all claims of a file.
    family: only this one. stores: your results folders (by default `results/runs`).
    published: whether the published results count.
    salt: evaluates the claims also on the results that `run_claims` made with this salt, and shows both verdicts.
    """
    chosen, rows = choose(ids, family), _rows(stores, published)
    return Claims(evaluate_all(chosen, rows), evaluate_all(chosen, rows, salt) if salt else None)


def _rows(stores: Path | str | Iterable[Path | str], published: bool) -> pa.Table:
    own = [stores] if isinstance(stores, Path | str) else list(stores)
    own = own or ([default_store()] if default_store().exists() else [])
    for folder in own:
        Store(folder).compact()
    return read_rows([*([published_store()] if published else []), *own], COLUMNS)


def run_claims(
    *ids: str,
    family: str | None = None,
    store: Path | str | None = None,
    workers: int | None = None,
    timeout: float = 600.0,
    engine: str = "local",
    retry_failed: bool = False,
    progress: bool = False,
    salt: str = "",
) -> list[Row]:
    """Run whatever these claims still need; the rows that failed.

    A claim with several looks starts with the seeds of the first; the seeds of a later look, and the runs with twice the
    budget of a convergence check, are run only where the results so far ask for them.

    ids, family: as in `claims`. engine: as in `run`. salt: any string; all data is made anew from other seeds.
    """
    # Only running needs torch: the list of claims stays light.
    from dynamark.runners.run import run

    chosen = choose(ids, family)
    home = store if store is not None else default_store()
    looks = dict.fromkeys(chosen, 0)
    convergence: set[str] = set()
    todo: dict[str, Listed] = dict(chosen)
    failures: dict[str, Row] = {}
    while todo:
        for suite in suites_of(todo, looks, convergence):
            done = run(
                suite,
                store=home,
                workers=workers,
                timeout=timeout,
                engine=engine,
                retry_failed=retry_failed,
                progress=progress,
                salt=salt,
            )
            failures |= {row["key"]: row for row in done.failures}
        rows = read_rows([home], COLUMNS)
        todo = {}
        for evaluation in evaluate_all(chosen, rows, salt):
            name = evaluation.id
            if any(result.verdict == "not run" for result in evaluation.convergence) and name not in convergence:
                convergence.add(name)
                todo[name] = chosen[name]
            elif _asks_for_a_look(evaluation) and looks[name] == evaluation.look:
                looks[name] += 1
                todo[name] = chosen[name]
    return list(failures.values())


def _asks_for_a_look(evaluation: Evaluation) -> bool:
    """Whether the seeds so far decide nothing, and the claim provides for more."""
    undecided = evaluation.verdict == "inconclusive" and not evaluation.convergence
    fails = any(result.verdict == "not reproduced" for result in evaluation.results)
    return undecided and not fails and evaluation.look + 1 < len(evaluation.claim.looks)
