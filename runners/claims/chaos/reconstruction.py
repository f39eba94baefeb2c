"""Claims about teacher forcing of piecewise linear networks on chaotic systems."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dynamark.runners.claims.claim import (
    EMPIRICAL,
    THEOREM,
    Above,
    Below,
    Between,
    Check,
    Claim,
    Experiment,
    Measure,
    Measured,
    Runs,
)
from dynamark.runners.claims.quantities import largest, median, ratio, share, smallest

if TYPE_CHECKING:
    import pandas

_LORENZ = "chaos/lorenz63"
_NOISY = {"noise": 0.05}


def _forced(alpha: float | None, **fields: object) -> Runs:
    """As many seeds as the paper has of the clipped network on noisy Lorenz data, 20 000 updates."""
    return Runs(_LORENZ, "shplrnn", {"alpha": alpha, **fields}, _NOISY, tier="standard", seeds=20)


def _long(alpha: float | None) -> Runs:
    """Five seeds of it for 100 000 updates."""
    return Runs(_LORENZ, "shplrnn", {"alpha": alpha}, {**_NOISY, "updates": 100_000}, tier="standard", seeds=5)


_PRODUCTS = Experiment("chaos/forced_products", {"alpha": 0.2, "updates": 20_000}, seeds=20)
# The least largest exponent of a network that counts as chaotic; that of the system is 0.91.
_LEAST = 0.05
_CHAOTIC = Check("share of networks that are chaotic", share("lyapunov", lambda values: values >= _LEAST), Above(0.5))


def _of_chaotic(measure: Measure) -> Measure:
    """Over networks that do not settle: what is said of chaotic orbits says nothing of one on a cycle.

    A failed run is kept, so that its NaN is seen; where all networks settle there is nothing to measure.
    """

    def measured(rows: pandas.DataFrame) -> Measured:
        settled = rows["score.lyapunov"] < _LEAST
        return Measured.exactly(math.nan) if settled.all() else measure(rows[~settled])

    return measured


X01 = Claim(
    "hess2023",
    THEOREM,
    "With forcing 1 - 1/s_max, s_max the largest norm of a Jacobian, products of Jacobians stay bounded by one.",
    [_PRODUCTS],
    [
        Check("ln of the largest product, trained network", largest("log_bounded_product"), Below(1e-6)),
        Check("ln of the product of the map 1.3 x", largest("log_linear_product"), Between(-1e-9, 1e-9)),
        Check("the same with 0.95 of that forcing", smallest("log_linear_product_below"), Above(math.log(1e3))),
    ],
    controls=[Check("the forcing", median("forcing"), None)],
)

X02 = Claim(
    "hess2023",
    THEOREM,
    "A chaotic orbit meets a Jacobian whose norm exceeds one: ln s_max is at least the largest exponent of a step.",
    [_PRODUCTS],
    [
        _CHAOTIC,
        Check("ln s_max - l dt, least of those", _of_chaotic(smallest("log_largest_norm_less_exponent")), Above(0.0)),
    ],
)

X03 = Claim(
    "hess2023",
    EMPIRICAL,
    "Without forcing products of Jacobians grow as exp(l T dt); they are neutral at a forcing of 1 - exp(-l dt).",
    [_PRODUCTS],
    [
        _CHAOTIC,
        Check(
            "of those: ln of the product of 1000 steps, no forcing",
            _of_chaotic(median("log_free_product")),
            Above(math.log(1e3)),
        ),
        Check("the same, forcing 0.05", _of_chaotic(median("log_forced_product")), Below(-math.log(1e3))),
        Check("neutral forcing over 1 - exp(-l dt)", _of_chaotic(median("neutral_over_predicted")), Between(0.5, 2.0)),
    ],
)

X04 = Claim(
    "hess2023",
    THEOREM,
    "Orbits of clipped networks with |a| < 1 end in an explicit box.",
    [Experiment("chaos/clipped_bound")],
    [Check("largest coordinate over its bound", largest("largest_ratio"), Below(1 + 1e-9))],
)

X05 = Claim(
    "hess2023",
    EMPIRICAL,
    "Clipped shallow networks with adaptive forcing reconstruct the noisy Lorenz attractor in three dimensions.",
    [_long(None)],
    [
        Check("D_stsp", median("d_stsp"), Below(1.5)),
        Check("relative error of the largest exponent", median("lyapunov_error"), Below(0.15 / 0.906)),
    ],
    published="D_stsp 0.26 after 250 000 updates",
    note="100 000 updates here; at 20 000 networks of single seeds still settle on cycles.",
)

X06 = Claim(
    "hess2023",
    EMPIRICAL,
    "The best constant forcing lies inside (0, 1): neither backpropagation through time nor one-step regression.",
    [_forced(0.0), _forced(0.2), _forced(1.0)],
    [
        Check(
            f"D_stsp at 0.2 over that at {a:g}", ratio("d_stsp", {"method.alpha": 0.2}, {"method.alpha": a}), Below(0.5)
        )
        for a in (0.0, 1.0)
    ],
)

_CONSTANTS = (0.05, 0.1, 0.2, 0.3)
# No forcing is named in the rows of adaptive forcing, so their size tells them.
_ADAPTIVE = {"method.hidden": 50}


X07 = Claim(
    "hess2023",
    EMPIRICAL,
    "Adaptive forcing does about as well as the best constant one, without a search for it.",
    [_forced(None, hidden=50), *(_forced(a) for a in _CONSTANTS)],
    [
        Check(f"D_stsp, adaptive over {a:g}", ratio("d_stsp", _ADAPTIVE, {"method.alpha": a}, paired=False), Below(1.3))
        for a in _CONSTANTS
    ],
    published="ECG 4.5 against 4.3, EEG 2.4 against 2.1",
)

X08 = Claim(
    "hess2023",
    EMPIRICAL,
    "Generalized forcing beats sparse forcing at equal updates.",
    [_forced(0.2), _forced(0.0, window=77)],
    [
        Check(
            "D_stsp, generalized over sparse", ratio("d_stsp", {"method.alpha": 0.2}, {"method.alpha": 0.0}), Below(1.0)
        )
    ],
    published="ECG 4.3 against 7.1, EEG 2.1 against 14",
    note="Sparse forcing as in the paper's table: no forcing inside windows of one predictability time, 77 steps.",
)

X10 = Claim(
    "hess2023",
    EMPIRICAL,
    "Shallow networks need no more units than there are dimensions; dendritic ones do.",
    [_forced(0.2), *(Runs(_LORENZ, "dendplrnn", {"units": m}, _NOISY, tier="standard", seeds=20) for m in (3, 22))],
    [
        Check(
            "D_stsp, shallow over dendritic, three units each",
            ratio("d_stsp", {"method.alpha": 0.2}, {"method.units": 3.0}),
            Below(1.0),
        )
    ],
    controls=[Check("D_stsp of 22 dendritic units", median("d_stsp", {"method.units": 22.0}), None)],
    published="5 units against 35 for an ECG",
)

X17 = Claim(
    "brenner2022",
    EMPIRICAL,
    "DendriticPLRNN networks of 22 units reconstruct the Lorenz attractor.",
    [Runs(_LORENZ, "dendplrnn", {}, {**_NOISY, "updates": 100_000}, tier="standard", seeds=10)],
    [Check("D_stsp", median("d_stsp"), Below(1.5))],
    published="D_stsp 0.9",
    note="The paper counts cells of another range and drops the lowest in each dimension.",
)
