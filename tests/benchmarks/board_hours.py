"""What the published boards cost: core hours of fits, tuning and answers by board, from the seconds in their rows.

    python tests/benchmarks/board_hours.py

Prints the table of docs/performance.md. Data, oracles and processes are not in these seconds.
"""

from __future__ import annotations

import pandas

from dynamark.results.store import published_store, read_rows
from dynamark.runners.plan.board import board_names, read_board


def hours() -> pandas.DataFrame:
    """One row a board: its size, its core hours, and the method that takes most of them."""
    columns = ["suite", "task", "method", "fit_seconds", "predict_seconds"]
    rows = read_rows([published_store()], columns).to_pandas()
    rows = rows.assign(hours=(rows["fit_seconds"].fillna(0.0) + rows["predict_seconds"].fillna(0.0)) / 3600)
    lines = []
    for board in map(read_board, board_names()):
        own = rows[rows["suite"] == board.name]
        if len(own):
            by_method = own.groupby("method")["hours"].sum().sort_values()
            most, share = by_method.index[-1], by_method.iloc[-1] / by_method.sum()
            lines.append(
                {
                    "board": board.name,
                    "methods": len(by_method),
                    "tasks": own["task"].nunique(),
                    "runs": len(own),
                    "core hours": round(own["hours"].sum(), 2),
                    "most by": f"{most} ({share:.0%})",
                }
            )
    return pandas.DataFrame(lines)


if __name__ == "__main__":
    table = hours()
    print(table.to_markdown(index=False))
    print(f"\nAll: {table['core hours'].sum():.1f} core hours.")
