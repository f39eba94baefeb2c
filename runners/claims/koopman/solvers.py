"""Claims about explicit Runge-Kutta methods that are made stable by filtering their slopes (TASE)."""

from __future__ import annotations

from dynamark.runners.claims.claim import THEOREM, Check, Claim, Experiment
from dynamark.runners.claims.quantities import largest, median, ratio, smallest
from dynamark.runners.claims.relations import Above, Below, Between

_CONVERGENCE, _STABILITY = "koopman/tase_convergence", "koopman/tase_stability"


def _solved(scheme: str, **fields: object) -> Experiment:
    return Experiment(
        _CONVERGENCE, {"alpha": 1.0, "jacobian": "exact", "mu": 5.0, "steps": 800, "scheme": scheme, **fields}
    )


def _where(scheme: str, **fields: object) -> dict[str, object]:
    return {"task": _CONVERGENCE, "task.scheme": scheme, **{f"task.{name}": value for name, value in fields.items()}}


_STIFF = {"mu": 50.0, "steps": 100}

K33 = Claim(
    paper="calvo2023",
    kind=THEOREM,
    statement="Runge-Kutta methods of order p on slopes filtered by I - (I - R)^p keep their order and solve stiff equations.",
    needs=[
        *(_solved(scheme, **stiff) for scheme in ("singly2", "singly3") for stiff in ({}, _STIFF)),
        _solved("rk4", **_STIFF),
    ],
    checks=[
        *(
            Check(
                f"order of singly-RK-TASE {p}, mu = 5",
                median("order", _where(f"singly{p}", mu=5.0)),
                Between(p - 0.15, p + 0.15),
            )
            for p in (2, 3)
        ),
        *(
            Check(
                f"error of singly-RK-TASE {p}, mu = 50, h = .05",
                largest("error", _where(f"singly{p}", mu=50.0)),
                Below(1e-4),
            )
            for p in (2, 3)
        ),
    ],
    fair_controls=[Check("RK4 overflows, mu = 50, h = .05", smallest("overflow", _where("rk4")), Above(1))],
    published="orders 2 and 3",
    note="Van der Pol oscillator from (2, 0) to t = 5, alpha = 1, J at the beginning of a step, 800 and 1600 steps. Operators: "
    "Bassenne, Fu and Mani, 2021; at mu = 50 observed orders wander and are not tested.",
    registered="0.1.0",
)

_MODIFIED = (("mtase2", "exact"), ("mtase3", "exact"), ("mtase2", "wrong"), ("mtase3", "wrong"))

K55 = Claim(
    paper="calvo2024",
    kind=THEOREM,
    statement="Filters that have the order only in their weighted sum over stages keep the order, whatever matrix stands for the "
    "Jacobian.",
    needs=[*(_solved(scheme, jacobian=j) for scheme, j in _MODIFIED), _solved("unfiltered2")],
    checks=[
        Check(
            f"order of {scheme}, {j} Jacobian",
            median("order", _where(scheme, jacobian=j)),
            Between(int(scheme[-1]) - 0.15, int(scheme[-1]) + 0.15),
        )
        for scheme, j in _MODIFIED
    ],
    fair_controls=[
        Check("order with T = R at both stages of Heun's method", median("order", _where("unfiltered2")), Below(1.15))
    ],
    note="Van der Pol oscillator, mu = 5, alpha = 1, 800 and 1600 steps to t = 5. The paper's coefficients could not be read: "
    "mtase2 and mtase3 are our own solutions of its order conditions, with 3 and 6 solves a step against 4 and 9.",
    registered="0.1.0",
)

_STABLE = {"mtase2": (0.75, 0.8, 1.0, 1.5, 3.0), "singly2": (1.0, 1.5, 3.0)}
_BELOW = {"mtase2": 0.7, "singly2": 0.95}
_THIRD = ("mtase3", "singly3")


def _scanned(scheme: str, alpha: float) -> dict[str, object]:
    return {"task": _STABILITY, "task.scheme": scheme, "task.alpha": alpha}


K56 = Claim(
    paper="calvo2024",
    kind=THEOREM,
    statement="The modified method of order 2 is A-stable from alpha = .75 on, the unmodified from 1 on, and the smaller alpha "
    "makes it more accurate with three quarters of the solves.",
    needs=[
        *(
            Experiment(_STABILITY, {"scheme": scheme, "alpha": alpha})
            for scheme in _STABLE
            for alpha in (_BELOW[scheme], *_STABLE[scheme])
        ),
        *(Experiment(_STABILITY, {"scheme": scheme, "alpha": 1.0}) for scheme in _THIRD),
        _solved("mtase2", alpha=0.75),
        *(_solved(scheme) for scheme in ("singly2", *_THIRD)),
    ],
    checks=[
        *(
            Check(
                f"largest |R(z)| - 1, {scheme}, alpha = {alpha:g}",
                largest("excess", _scanned(scheme, alpha)),
                Below(1e-9),
            )
            for scheme, alphas in _STABLE.items()
            for alpha in alphas
        ),
        *(
            Check(
                f"|R| at infinity, {scheme}, alpha = {alphas[0]:g}",
                median("infinity", _scanned(scheme, alphas[0])),
                Between(1 - 1e-9, 1 + 1e-9),
            )
            for scheme, alphas in _STABLE.items()
        ),
        Check(
            "error with 1600 steps, mtase2 (alpha = .75) over singly2 (alpha = 1)",
            ratio("half_error", _where("mtase2", alpha=0.75), _where("singly2", alpha=1.0)),
            Below(0.75),
        ),
    ],
    fair_controls=[
        Check(
            f"largest |R(z)| - 1, {scheme}, alpha = {alpha:g}", smallest("excess", _scanned(scheme, alpha)), Above(1e-9)
        )
        for scheme, alpha in _BELOW.items()
    ],
    controls=[
        *(Check(f"angle of stability, {s}, alpha = 1", median("angle", _scanned(s, 1.0)), None) for s in _THIRD),
        Check(
            "error with 1600 steps, mtase3 over singly3, alpha = 1",
            ratio("half_error", _where("mtase3"), _where("singly3")),
            None,
        ),
    ],
    note="|R(z)| on rays of the left half plane, half a degree apart; -1: not even the negative axis is stable. The methods are "
    "our own solutions of the order conditions.",
    registered="0.1.0",
)
