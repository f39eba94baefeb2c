"""Claims about almost-linear networks, and about reservoirs and regressions on chaotic systems."""

from __future__ import annotations

import math

import numpy as np

from dynamark.runners.claims.claim import (
    EMPIRICAL,
    THEOREM,
    UNTRAINED,
    Change,
    Check,
    Claim,
    Experiment,
    Interval,
    Quantity,
    Runs,
)
from dynamark.runners.claims.columns import Rows
from dynamark.runners.claims.quantities import counted, largest, median, ratio, share
from dynamark.runners.claims.relations import Above, Below

_LORENZ = "chaos/lorenz63"
_NOISY = {"noise": 0.05}
_OF_LORENZ = {"task.system": "lorenz63"}


def _seeds(score: str, least: float) -> Quantity:
    """The share of seeds on Lorenz data whose score is at least so much."""
    return share(score, lambda values: values >= least, _OF_LORENZ)


def _with_wings(quantity: Quantity) -> Quantity:
    """Over seeds with a graph that has wings; a failed run is kept, so that its NaN is seen."""

    def chosen(rows: Rows) -> Interval:
        lorenz = rows.where(_OF_LORENZ)
        wings = ~(lorenz["score.graphs_with_wings"] == 0)
        return quantity(lorenz.at(wings)) if wings.any() else Interval.exactly(math.nan)

    return chosen


def _on_lorenz(units: int, updates: int = 100_000) -> Runs:
    """Networks with so many rectified units, trained for long on noisy data."""
    task = {**_NOISY, "updates": updates}
    return Runs(_LORENZ, "alrnn", {"rectified": units}, task, tier="standard", seeds=5)


def _of_three_regions(rows: Rows) -> Interval:
    """Share of networks of two rectified units whose three main regions hold 90 % of the time and whose D_stsp is at most 8."""
    where = {"method.rectified": 2}
    regions, divergence = rows.values("fact.regions_90", where), rows.values("d_stsp", where)
    marked = rows.where(where).with_score("reaches", np.where((regions == 3) & (divergence <= 8), 1.0, 0.0))
    return share("reaches", lambda values: values > 0)(marked)


X11 = Claim(
    "brenner2024",
    EMPIRICAL,
    "Two rectified units are the fewest that reconstruct the Lorenz attractor.",
    [_on_lorenz(p) for p in (1, 2)],
    [
        Check(
            "D_stsp, two units over one", ratio("d_stsp", {"method.rectified": 2}, {"method.rectified": 1}), Below(0.5)
        ),
        Check("share of networks of two units with three main regions", _of_three_regions, Above(0.6)),
    ],
    controls=[Check("regions that hold 90 % of the time", median("fact.regions_90", {"method.rectified": 2}), None)],
    published="2 units, 3 regions",
    note="The last weights are scored; the paper's figures take the best of some 80 checkpoints by D_stsp on the training data.",
    looks=(1, 3),
    convergence=[_on_lorenz(p, 200_000) for p in (1, 2)],
    changes=(
        Change(
            "0.1.0",
            "3 of 5 networks became a share of at least 3/5 with its exact interval",
            "a count of five seeds has no interval",
            "reproduced",
        ),
    ),
    registered="0.1.0",
)


def _on_roessler(updates: int) -> list[Runs]:
    fields = {"interval": 8, "rate": 5e-3, "window": 300}
    return [
        Runs(
            "chaos/rossler",
            "alrnn",
            {"rectified": p, **fields},
            {**_NOISY, "updates": updates},
            tier="standard",
            seeds=5,
        )
        for p in (0, 1)
    ]


X12 = Claim(
    "brenner2024",
    EMPIRICAL,
    "One rectified unit is enough for the Rössler attractor; a linear map is not.",
    _on_roessler(60_000),
    [
        Check("D_stsp of a linear map", median("d_stsp", {"method.rectified": 0}), Above(5.0)),
        Check("D_stsp with one rectified unit", median("d_stsp", {"method.rectified": 1}), Below(2.5)),
        Check("share of its second region", median("fact.second_share", {"method.rectified": 1}), Above(0.01)),
    ],
    looks=(1, 3),
    convergence=_on_roessler(120_000),
    registered="0.1.0",
)


def _graphs(updates: int) -> list[Experiment]:
    """The code of the Lorenz attractor, four networks a seed; and of the Rössler attractor, with three fifths of the updates."""
    rossler = {"system": "rossler", "rectified": 1, "interval": 8, "window": 300, "rate": 5e-3}
    return [
        Experiment(
            "chaos/symbolic_graph",
            {"system": "lorenz63"} | ({} if updates == 100_000 else {"updates": updates}),
            seeds=5,
        ),
        Experiment("chaos/symbolic_graph", {**rossler, "updates": updates * 3 // 5}),
    ]


X13 = Claim(
    "brenner2024",
    EMPIRICAL,
    "The code of the Lorenz attractor is wing, center, wing, each around an unstable fixed point.",
    _graphs(100_000),
    [
        Check("share of seeds with a network of three main regions", _seeds("members_of_three", 1), Above(0.5)),
        Check(
            "share of these networks with wings",
            counted("graphs_with_wings", "members_of_three", _OF_LORENZ),
            Above(0.5),
        ),
        Check("mean x of the lower wing", _with_wings(median("low_wing")), Below(-0.6)),
        Check("mean x of the upper wing", _with_wings(median("high_wing")), Above(0.6)),
        Check("|mean x| of the center", _with_wings(median("center")), Below(0.4)),
        Check(
            "share of seeds with three fixed points in their own regions",
            _with_wings(_seeds("real_points", 3)),
            Above(0.5),
        ),
        Check("least spectral radius there", _with_wings(median("least_radius")), Above(1.0)),
    ],
    controls=[
        Check("regions of the Rössler network in the figure", median("regions", {"task.system": "rossler"}), None)
    ],
    published="3 regions",
    note="Of four networks of each seed, those whose three main regions hold 90 % of the time; of each seed the worst value "
    "counts. The two wings are the regions that never follow each other.",
    looks=(1, 3),
    convergence=_graphs(200_000),
    changes=(
        Change(
            "0.1.0",
            "four networks on one data set became four on each of five, the worst values became medians over data sets of "
            "the worst values, and conditions on all networks became shares above one half",
            "one data set has no interval",
            "reproduced",
        ),
    ),
    registered="0.1.0",
)

X14 = Claim(
    "dynamark",
    EMPIRICAL,
    "Geometry still improves far beyond the fewest rectified units.",
    [_on_lorenz(p) for p in (2, 10)],
    [
        Check(
            "D_stsp, ten units over two", ratio("d_stsp", {"method.rectified": 10}, {"method.rectified": 2}), Below(0.2)
        )
    ],
    looks=(1, 3),
    convergence=[_on_lorenz(p, 200_000) for p in (2, 10)],
    registered="0.1.0",
)

X15 = Claim(
    "brenner2024",
    THEOREM,
    "Fixed points of an almost-linear network are known in closed form, region by region.",
    [
        Experiment("chaos/fixed_points", seeds=2),
        Experiment("chaos/fixed_points", {"rectified": 10, "updates": 300}, seeds=2),
    ],
    [
        Check("residual of the affine pieces", largest("largest_residual"), Below(1e-8)),
        Check("residual of the map, points in their own region", largest("largest_real_residual"), Below(1e-8)),
    ],
    controls=[Check("points in their own region", median("real"), None)],
    registered="0.1.0",
)

X18 = Claim(
    "lu2018",
    EMPIRICAL,
    "Echo state networks predict the clean Lorenz system over many Lyapunov times.",
    [Runs(_LORENZ, "esn", {}, {"train": 10_000, "test": 10_000}, tier="standard", seeds=5)],
    [Check("median valid time", median("valid_time"), Above(6.0))],
    looks=(1, 3),
    convergence=UNTRAINED,
    registered="0.1.0",
)

X19 = Claim(
    "brunton2016",
    EMPIRICAL,
    "SINDy finds exactly the Lorenz equations in clean data, and its forecasts collapse with 5 % noise.",
    [
        Experiment("chaos/sparse_support", {"noise": noise, "centered": centered}, seeds=5)
        for noise, centered in ((0.0, False), (0.05, False), (0.0, True))
    ],
    [
        Check(
            "share of seeds without a wrong term, clean",
            share("wrong_terms", lambda terms: terms == 0, {"task.noise": 0.0, "task.centered": False}),
            Above(0.5),
        ),
        Check(
            "valid time, clean over noisy",
            ratio(
                "valid_time",
                {"task.noise": 0.0, "task.centered": False},
                {"task.noise": 0.05, "task.centered": False},
                paired=False,
            ),
            Above(2.0),
        ),
    ],
    controls=[
        Check("terms of centered data", median("terms", {"task.centered": True}), None),
        Check("valid time of centered data", median("valid_time", {"task.centered": True}), None),
    ],
    looks=(1, 3),
    convergence=UNTRAINED,
    changes=(
        Change(
            "0.1.0",
            "no wrong term in any of five seeds became a share of seeds above one half",
            "the largest of a count has no interval",
            "reproduced",
        ),
    ),
    registered="0.1.0",
)

X20 = Claim(
    "gauthier2021",
    EMPIRICAL,
    "The published settings of NGRC depend on the integrator of the data: with accurate data they forecast far shorter.",
    [Experiment("chaos/integrator_of_the_data", {"solver": solver}, seeds=5) for solver in ("RK23", "DOP853")],
    [
        Check(
            "valid time, default tolerances over accurate",
            ratio("valid_time", {"task.solver": "RK23"}, {"task.solver": "DOP853"}, paired=False),
            Above(5.0),
        )
    ],
    looks=(1, 3),
    convergence=UNTRAINED,
    note="Accurate data teach a two-step integrator that fits one step better and is not zero-stable when iterated.",
    registered="0.1.0",
)
