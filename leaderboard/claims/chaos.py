"""Claims about chaotic reconstruction."""

from __future__ import annotations

import math

from dynamark.leaderboard.claims.claim import EMPIRICAL, THEOREM, Above, Below, Between, Check, Claim, Experiment, Runs
from dynamark.leaderboard.claims.measures import largest, median, ratio, smallest

_LORENZ = "chaos/lorenz63"
_NOISY = {"noise": 0.05}


def _forced(alpha: float | None, **fields: object) -> Runs:
    """Five seeds of the clipped network on noisy Lorenz data, 20 000 updates."""
    return Runs(_LORENZ, "shplrnn", {"alpha": alpha, **fields}, _NOISY, tier="standard", seeds=5)


_PRODUCTS = Experiment("chaos/forced_products", {"alpha": 0.2, "updates": 20_000}, seeds=3)
# What is said of chaotic orbits says nothing of a network that settles on a fixed point.
_CHAOTIC = Check("largest exponent (the premise)", smallest("lyapunov"), Above(0.05))

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
    [_CHAOTIC, Check("ln s_max - l dt", smallest("log_largest_norm_less_exponent"), Above(0.0))],
)

X03 = Claim(
    "hess2023",
    EMPIRICAL,
    "Without forcing products of Jacobians grow as exp(l T dt); they are neutral at a forcing of 1 - exp(-l dt).",
    [_PRODUCTS],
    [
        _CHAOTIC,
        Check("ln of the product of 1000 steps, no forcing", median("log_free_product"), Above(math.log(1e3))),
        Check("the same, forcing 0.05", median("log_forced_product"), Below(-math.log(1e3))),
        Check("neutral forcing over 1 - exp(-l dt)", median("neutral_over_predicted"), Between(0.5, 2.0)),
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
    [_forced(None)],
    [
        Check("D_stsp", median("d_stsp", columns={"method.alpha": None}), Below(1.5)),
        Check("relative error of the largest exponent", median("lyapunov_error"), Below(0.15 / 0.906)),
    ],
    published="D_stsp 0.26 after 250 000 updates",
    note="20 000 updates here.",
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

X08 = Claim(
    "hess2023",
    EMPIRICAL,
    "Generalised forcing beats sparse forcing at equal updates.",
    [_forced(0.2), _forced(0.0, window=77)],
    [
        Check(
            "D_stsp, generalised over sparse", ratio("d_stsp", {"method.alpha": 0.2}, {"method.alpha": 0.0}), Below(1.0)
        )
    ],
    published="ECG 4.3 against 7.1, EEG 2.1 against 14",
    note="Sparse forcing as in the paper's table: no forcing inside windows of one predictability time, 77 steps.",
)

X11 = Claim(
    "brenner2024",
    EMPIRICAL,
    "Two rectified units are the fewest that reconstruct the Lorenz attractor.",
    [
        Runs(_LORENZ, "alrnn", {"rectified": p}, {**_NOISY, "updates": 100_000}, tier="standard", seeds=5)
        for p in (1, 2)
    ],
    [
        Check(
            "D_stsp, two units over one", ratio("d_stsp", {"method.rectified": 2}, {"method.rectified": 1}), Below(0.5)
        )
    ],
    controls=[Check("regions that hold 90 % of the time", median("fact.regions_90", {"method.rectified": 2}), None)],
    published="2 units, 3 regions",
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
    ],
)

X14 = Claim(
    "dynamark",
    EMPIRICAL,
    "Geometry still improves far beyond the fewest rectified units.",
    [
        Runs(_LORENZ, "alrnn", {"rectified": p}, {**_NOISY, "updates": 100_000}, tier="standard", seeds=5)
        for p in (2, 10)
    ],
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
        Experiment("chaos/sparse_support", {"noise": noise, "centred": centred}, seeds=5)
        for noise, centred in ((0.0, False), (0.05, False), (0.0, True))
    ],
    [
        Check("wrong terms, clean", largest("wrong_terms", {"task.noise": 0.0, "task.centred": False}), Below(0.0)),
        Check(
            "valid time, clean over noisy",
            ratio(
                "valid_time",
                {"task.noise": 0.0, "task.centred": False},
                {"task.noise": 0.05, "task.centred": False},
                paired=False,
            ),
            Above(2.0),
        ),
    ],
    controls=[
        Check("terms of centred data", median("terms", {"task.centred": True}), None),
        Check("valid time of centred data", median("valid_time", {"task.centred": True}), None),
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
