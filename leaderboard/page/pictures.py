"""Pictures: what was reconstructed beside the truth, in the plane, for the best method that has such a curve."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from dynamark.leaderboards.page.curves import PICTURES, SMALL, Curves, Line, captioned, chosen, colors, linked, words
from dynamark.leaderboards.page.svg import Chart, around, wants_logarithm
from dynamark.leaderboards.table import Table

__all__ = ["pictures"]

# Points of a picture.
_DOTS = 400


def pictures(curves: Curves, table: Table, task: str) -> str:
    """A figure for each picture that there is."""
    parts = []
    for name in PICTURES:
        having = curves.get(name, {})
        for method in chosen(having, table, task)[:1]:
            tone = colors([method], table)[method]
            truth = curves.get(f"{name}_true", {}).get(method)
            legend = [*([] if truth is None else [("truth", "truth")]), (tone, linked(method))]
            parts.append(captioned(words(name), _picture(name, method, having[method], truth, tone), legend))
    return "".join(parts)


def _picture(name: str, method: str, line: Line, truth: Line | None, tone: str) -> Chart:
    both = [line] if truth is None else [line, truth]
    x, y = (np.concatenate([getattr(p, side) for p in both]) for side in ("axis", "values"))
    if name == "eigenvalues":  # the unit circle is always in sight
        x, y = np.append(x, [-1.0, 1.0]), np.append(y, [-1.0, 1.0])
    if name == "attractor" and truth is not None:  # a model that runs away must not make the truth a dot
        x, y = (np.clip(v, *_thrice(getattr(truth, side))) for v, side in ((x, "axis"), (y, "values")))
    log = name == "singular_values" and wants_logarithm(y)
    chart = Chart(
        f"{words(name)} of {method}" + ("" if truth is None else " beside the truth"),
        (PICTURES[name][0], around(x, False), False),
        (PICTURES[name][1], around(y, log), log),
        *SMALL,
        square=name == "eigenvalues",
    )
    if name == "eigenvalues":
        chart.circle()
    for drawn, style in ((truth, "truth"), (line, tone)):
        if drawn is None:
            continue
        step = max(1, -(-len(drawn.axis) // _DOTS))
        if name == "attractor":
            chart.line(drawn.axis[::step], drawn.values[::step], f"thin {style}")
        else:
            chart.dots(drawn.axis[::step], drawn.values[::step], style, 10 if drawn is truth else 5)
    return chart


def _thrice(values: ndarray) -> tuple[float, float]:
    """The range of values, with as much room again on either side."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return 2 * low - high, 2 * high - low
