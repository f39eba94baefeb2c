"""Claims about networks with structure: linear between invertible coordinates, and with Hankel weight matrices."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, THEOREM, Check, Claim, Experiment
from dynamark.runners.claims.quantities import largest, median, smallest
from dynamark.runners.claims.relations import Above, Below

_SYSTEMS = ("slow_manifold", "duffing")


def _conjugated(steps: int | None = None) -> list[Experiment]:
    longer = {} if steps is None else {"steps": steps}
    return [Experiment("koopman/conjugacy", {"system": system, **longer}, seeds=3) for system in _SYSTEMS]


def _on(system: str) -> dict[str, object]:
    return {"task.system": system}


K16 = Claim(
    paper="berman2025",
    kind=THEOREM,
    statement="In a model that is linear between invertible coordinates, lowering and lifting a state again changes nothing.",
    needs=_conjugated(),
    checks=[
        Check(
            "largest difference of rollouts of 200 steps lifted again every 1 or 5 steps and never",
            largest("again"),
            Below(1e-9),
        )
    ],
    fair_controls=[
        Check(
            "largest difference of rollouts lifted again by an encoder that is off by 1 %",
            smallest("inexact"),
            Above(1e-9),
        ),
    ],
    note="Trained weights, float64, in standard deviations of the data.",
    registered="0.1.0",
)

K17 = Claim(
    paper="berman2025",
    kind=EMPIRICAL,
    statement="A flow with one fixed point is made linear by an invertible network; one with three fixed points cannot be.",
    needs=_conjugated(),
    checks=[
        Check("largest nrmse of a step up to 200, slow manifold", median("worst", _on("slow_manifold")), Below(0.03)),
        Check("|slow rate of A + 0.05|, slow manifold", median("slow_rate", _on("slow_manifold")), Below(0.01)),
        Check("|fast rate of A + 1|, slow manifold", median("fast_rate", _on("slow_manifold")), Below(0.06)),
        Check("nrmse at step 40, Duffing", median("at_40", _on("duffing")), Above(0.3)),
    ],
    fair_controls=[
        Check(
            "largest nrmse of a step, slow manifold, linear map of the state",
            median("plain", _on("slow_manifold")),
            Above(0.03),
        )
    ],
    looks=(1, 3),
    convergence=_conjugated(2400),
    note="300 trajectories of 20 steps 0.25 apart, 1,200 training steps.",
    registered="0.1.0",
)


def _windows(steps: int | None = None) -> list[Experiment]:
    return [Experiment("koopman/shifted_window", {} if steps is None else {"steps": steps}, seeds=5)]


K27 = Claim(
    paper="aluvihare2025",
    kind=EMPIRICAL,
    statement="Hankel layers forecast a Lotka-Volterra cycle with a tenth of the parameters of dense ones and a similar error.",
    needs=_windows(),
    checks=[
        Check("share of parameters saved against dense layers", median("saved"), Above(0.9)),
        Check("error of 8 new samples, Hankel over dense layers of equal depth", median("error_ratio"), Below(2.0)),
    ],
    controls=[
        Check("error, three Hankel layers over one dense layer", median("shallow_ratio"), None),
        Check("error, Hankel", median("structured"), None),
        Check("error, dense", median("dense"), None),
    ],
    published="a reduction is claimed; no number found",
    looks=(1, 3),
    convergence=_windows(5000),
    note="A reconstruction: the paper factorizes its weights in another way.",
    registered="0.1.0",
)


def _next(steps: int | None = None) -> list[Experiment]:
    return [Experiment("koopman/next_state", {} if steps is None else {"steps": steps}, seeds=3)]


K47 = Claim(
    paper="aluvihare2025",
    kind=EMPIRICAL,
    statement="Hankel layers predict the next state of Lorenz 63 as well as dense ones with less than half of the parameters.",
    needs=_next(),
    checks=[
        Check("parameters, Hankel over dense", median("parameters"), Below(0.5)),
        Check("mean squared error, Hankel over dense", median("error_ratio"), Below(2.0)),
    ],
    fair_controls=[
        Check("mean squared error, diagonal layers over Hankel", median("diagonal_ratio"), Above(5.0)),
    ],
    controls=[
        *(Check(f"mean squared error, {name}", median(name), None) for name in ("dense", "diagonal")),
        Check("time of a product of size 1024, dense over FFT", median("time_ratio"), None),
    ],
    looks=(1, 3),
    convergence=_next(5000),
    note="Windows of 16 samples 0.01 apart. If layers without any action between delays did as well, the task would be too easy "
    "for the claim. A reconstruction: the paper factorizes its weights in another way.",
    registered="0.1.0",
)


K62 = Claim(
    paper="kostic2024",
    kind=THEOREM,
    statement="Features of one coordinate by a leaky ReLU network without biases span at most two functions, whatever the loss.",
    needs=[Experiment("koopman/feature_rank", seeds=3)],
    checks=[
        Check("largest rank of 7 features without biases", largest("rank_without"), Below(2)),
        Check("smallest rank of 7 features with biases", smallest("rank_with"), Above(5)),
        Check("difference of spectra, relaxed and VAMP score, with biases", smallest("gap_with"), Above(1e-6)),
    ],
    controls=[Check("difference of spectra, relaxed and VAMP score, without biases", largest("gap_without"), None)],
    note="On the circle, where the recipe of the paper has no biases, all points have one norm and nothing is lost. Published "
    "rows of both scores on koopman/ou and koopman/double_well are compared on the board koopman/spectra.",
    registered="0.1.0",
)
