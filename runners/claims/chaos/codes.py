"""Claims about almost-linear networks, and about reservoirs and regressions on chaotic systems."""

from __future__ import annotations

from typing import Any

from dynamark.runners.claims.claim import EMPIRICAL, THEOREM, Above, Below, Check, Claim, Experiment, Measured, Runs
from dynamark.runners.claims.quantities import largest, median, pick, ratio, smallest

_LORENZ = "chaos/lorenz63"
_NOISY = {"noise": 0.05}
_OF_LORENZ = {"task.system": "lorenz63"}


def _without_wings(rows: Any) -> Measured:
    """Networks of three main regions whose graph has no two that never follow each other."""
    own = pick(rows, _OF_LORENZ)
    return Measured.exactly(float((own["score.members_of_three"] - own["score.graphs_with_wings"]).max()))


def _of_three_regions(rows: Any) -> Measured:
    """Networks of two rectified units whose three main regions hold 90 % of the time; a D_stsp above 8 does not count."""
    own = pick(rows, {"method.rectified": 2})
    return Measured.exactly(float(((own["score.fact.regions_90"] == 3) & (own["score.d_stsp"] <= 8)).sum()))


def _on_lorenz(units: int) -> Runs:
    """Networks with so many rectified units, trained for long on noisy data."""
    return Runs(_LORENZ, "alrnn", {"rectified": units}, {**_NOISY, "updates": 100_000}, tier="standard", seeds=5)


X11 = Claim(
    "brenner2024",
    EMPIRICAL,
    "Two rectified units are the fewest that reconstruct the Lorenz attractor.",
    [_on_lorenz(p) for p in (1, 2)],
    [
        Check(
            "D_stsp, two units over one", ratio("d_stsp", {"method.rectified": 2}, {"method.rectified": 1}), Below(0.5)
        ),
        Check("networks of two units with three main regions, of five", _of_three_regions, Above(3.0)),
    ],
    controls=[Check("regions that hold 90 % of the time", median("fact.regions_90", {"method.rectified": 2}), None)],
    published="2 units, 3 regions",
    note="The last weights are scored; the paper's figures take the best of some 80 checkpoints by D_stsp on the training data.",
)

X12 = Claim(
    "brenner2024",
    EMPIRICAL,
    "One rectified unit is enough for the Rössler attractor; a linear map is not.",
    [
        Runs(
            "chaos/rossler",
            "alrnn",
            {"rectified": p, "interval": 8, "rate": 5e-3, "window": 300},
            {**_NOISY, "updates": 60_000},
            tier="standard",
            seeds=5,
        )
        for p in (0, 1)
    ],
    [
        Check("D_stsp of a linear map", median("d_stsp", {"method.rectified": 0}), Above(5.0)),
        Check("D_stsp with one rectified unit", median("d_stsp", {"method.rectified": 1}), Below(2.5)),
        Check("share of its second region", median("fact.second_share", {"method.rectified": 1}), Above(0.01)),
    ],
)

_GRAPH = Experiment("chaos/symbolic_graph", {"system": "lorenz63"})

X13 = Claim(
    "brenner2024",
    EMPIRICAL,
    "The code of the Lorenz attractor is wing, center, wing, each around an unstable fixed point.",
    [
        _GRAPH,
        Experiment(
            "chaos/symbolic_graph",
            {"system": "rossler", "rectified": 1, "interval": 8, "window": 300, "rate": 5e-3, "updates": 60_000},
        ),
    ],
    [
        Check("networks of three main regions", smallest("members_of_three", _OF_LORENZ), Above(1.0)),
        Check("those among them without wings", _without_wings, Below(0.0)),
        Check("mean x of the lower wing", largest("low_wing", _OF_LORENZ), Below(-0.6)),
        Check("mean x of the upper wing", smallest("high_wing", _OF_LORENZ), Above(0.6)),
        Check("|mean x| of the center", largest("center", _OF_LORENZ), Below(0.4)),
        Check("fixed points in their own region", smallest("real_points", _OF_LORENZ), Above(3.0)),
        Check("least spectral radius there", smallest("least_radius", _OF_LORENZ), Above(1.0)),
    ],
    controls=[
        Check("regions of the Rössler network in the figure", median("regions", {"task.system": "rossler"}), None)
    ],
    published="3 regions",
    note="Of four networks on the same data, those whose three main regions hold 90 % of the time; worst values. The two wings "
    "are the regions that never follow each other.",
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
)

X18 = Claim(
    "lu2018",
    EMPIRICAL,
    "Echo state networks predict the clean Lorenz system over many Lyapunov times.",
    [Runs(_LORENZ, "esn", {}, {"train": 10_000, "test": 10_000}, tier="standard", seeds=5)],
    [Check("median valid time", median("valid_time"), Above(6.0))],
)

X19 = Claim(
    "brunton2016",
    EMPIRICAL,
    "SINDy finds exactly the Lorenz equations in clean data, and its forecasts collapse with 5 % noise.",
    [
        Experiment("chaos/sparse_support", {"noise": noise, "centerd": centerd}, seeds=5)
        for noise, centerd in ((0.0, False), (0.05, False), (0.0, True))
    ],
    [
        Check("wrong terms, clean", largest("wrong_terms", {"task.noise": 0.0, "task.centerd": False}), Below(0.0)),
        Check(
            "valid time, clean over noisy",
            ratio(
                "valid_time",
                {"task.noise": 0.0, "task.centerd": False},
                {"task.noise": 0.05, "task.centerd": False},
                paired=False,
            ),
            Above(2.0),
        ),
    ],
    controls=[
        Check("terms of centerd data", median("terms", {"task.centerd": True}), None),
        Check("valid time of centerd data", median("valid_time", {"task.centerd": True}), None),
    ],
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
    note="Accurate data teach a two-step integrator that fits one step better and is not zero-stable when iterated.",
)
