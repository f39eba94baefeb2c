"""Claims on random recurrent maps: the spectrum at low rank and sparsity, and signatures in the states of linear CDEs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy import ndarray

from dynamark.runners.claims.claim import (
    EMPIRICAL,
    PILOT,
    THEOREM,
    UNTRAINED,
    Check,
    Claim,
    Experiment,
    Interval,
    Quantity,
)
from dynamark.runners.claims.columns import Rows
from dynamark.runners.claims.intervals import bootstrap
from dynamark.runners.claims.quantities import largest, of_table, smallest
from dynamark.runners.claims.relations import Above, Below, Between

_RANKS, _SPARSITIES, _UNITS = (1, 4, 16, 64, 128), (0, 50, 90), 128


def _medians(kind: str, statistic: Callable[[ndarray], ndarray]) -> Quantity:
    """A statistic [draw] of the median radius or norm [draw, rank, sparsity]; seeds are drawn whole."""

    def quantity(rows: Rows) -> Interval:
        table = [[rows.values(f"{kind}_{r}_{s}", {}) for s in _SPARSITIES] for r in _RANKS]
        return bootstrap(np.moveaxis(np.array(table), 2, 0), lambda x: statistic(np.median(x, axis=1)), rows.level)

    return quantity


def _law(rows: Rows, end: str) -> Interval:
    """The largest or smallest ratio of the median radius to its formula, ranks from 4, no sparsity."""
    ranks = np.array(_RANKS[1:])
    formula = 2 * np.sqrt(_UNITS * ranks) / (_UNITS + ranks)
    extreme = np.max if end == "largest" else np.min
    return _medians("radius", lambda x: np.asarray(extreme(x[:, 1:, 0] / formula, axis=1)))(rows)


L36 = Claim(
    paper="tumma2024",
    kind=EMPIRICAL,
    statement="The spectral radius of a recurrent matrix shrinks with lower rank and with higher sparsity.",
    needs=[Experiment("lds/recurrent_spectrum", seeds=12)],
    checks=[
        Check(
            "smallest ratio of the median radius from one rank to the next larger one",
            _medians("radius", lambda x: np.asarray((x[:, 1:] / x[:, :-1]).min(axis=(1, 2)))),
            Above(1.0),
        ),
        Check(
            "largest ratio of the median radius from one sparsity to the next higher one",
            _medians("radius", lambda x: np.asarray((x[:, :, 1:] / x[:, :, :-1]).max(axis=(1, 2)))),
            Below(1.0),
        ),
        Check(
            "largest median radius over 2 sqrt(n r)/(n + r), ranks from 4",
            lambda rows: _law(rows, "largest"),
            Between(0.8, 1.2),
        ),
        Check(
            "smallest median radius over 2 sqrt(n r)/(n + r), ranks from 4",
            lambda rows: _law(rows, "smallest"),
            Between(0.8, 1.2),
        ),
        Check(
            "largest median norm at sparsity 0.9 over the norm without sparsity",
            _medians("norm", lambda x: np.asarray((x[:, :, -1] / x[:, :, 0]).max(axis=1))),
            Below(0.4),
        ),
    ],
    controls=[
        Check(
            "median norm at full rank over the norm at rank 1, no sparsity",
            _medians("norm", lambda x: np.asarray(x[:, -1, 0] / x[:, 0, 0])),
            None,
        )
    ],
    looks=(1, 4),
    convergence=UNTRAINED,
    note="The norm does not shrink with lower rank: it rises up to half the full rank. It shrinks with sparsity only.",
    registered="0.1.0",
)

_KERNEL, _WIDTHS, _REPORTED = "lds/signature_kernel", (32, 64, 128, 256, 512), ("sparse", "block")


def _rms_slope(scale: float) -> Quantity:
    """The slope of the logarithm of the root mean square error in the logarithm of the width."""

    def slope(widths: ndarray, errors: ndarray) -> ndarray:
        logs = np.log(widths.astype(float))
        centered = logs - logs.mean()
        return np.asarray(0.5 * np.log(np.mean(errors**2, axis=1)) @ centered / (centered @ centered))

    return of_table("error", "task.width", slope, {"task.structure": "dense", "task.scale": scale})


def _rms(structure: str, scale: float = 1.5) -> Quantity:
    """The root mean square error at the largest width."""
    where = {"task.structure": structure, "task.scale": scale, "task.width": _WIDTHS[-1]}
    return lambda rows: bootstrap(
        rows.values("error", where), lambda x: np.asarray(np.sqrt(np.mean(x**2, axis=1))), rows.level
    )


_LAST = {"width": _WIDTHS[-1]}

L51 = Claim(
    paper="cirone2024",
    kind=THEOREM,
    statement="The state of a random dense linear CDE is a random projection of the signature of its path.",
    needs=[
        *(
            Experiment(_KERNEL, {"structure": "dense", "scale": scale, "width": n}, seeds=16)
            for scale in (1.5, 1.0)
            for n in _WIDTHS
        ),
        *(Experiment(_KERNEL, {"structure": "diag", "scale": scale, **_LAST}, seeds=16) for scale in (1.5, 1.0)),
        *(Experiment(_KERNEL, {"structure": kind, "scale": 1.5, **_LAST}, seeds=16) for kind in _REPORTED),
    ],
    checks=[
        Check("exponent of the error of the kernel in the width", _rms_slope(1.5), Between(-0.7, -0.35)),
        Check("relative error of the kernel, 512 states", _rms("dense"), Below(0.4)),
        Check(
            "largest effect of reversing the path, diagonal maps",
            largest("reversal", {"task.structure": "diag"}),
            Below(1e-10),
        ),
        Check(
            "smallest effect of reversing the path, dense maps",
            smallest("reversal", {"task.structure": "dense"}),
            Above(0.1),
        ),
    ],
    fair_controls=[Check("relative error of the kernel, diagonal maps, 512 states", _rms("diag"), Above(0.6))],
    controls=[
        Check("exponent of the error in the width, paths scaled by 1", _rms_slope(1.0), None),
        *(
            Check(f"relative error, {kind}, paths scaled by 1, 512 states", _rms(kind, 1.0), None)
            for kind in ("dense", "diag")
        ),
        *(Check(f"relative error, {kind} maps, 512 states", _rms(kind), None) for kind in _REPORTED),
    ],
    note=f"{PILOT} This concerns the band, the 0.4 and the 0.6. Diagonal maps, the control, do not approach the kernel; with "
    "paths scaled by 1 they are no worse than dense ones at these widths, because the kernel is then mostly of low order.",
    registered="0.1.0",
)
