"""Claims about low-rank rewards: entries chosen by a policy, and what users save each other."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from dynamark.runners.claims.claim import EMPIRICAL, PILOT, Check, Claim, Experiment, Interval, Quantity
from dynamark.runners.claims.columns import Rows
from dynamark.runners.claims.intervals import bootstrap
from dynamark.runners.claims.quantities import largest, median, ratio, smallest
from dynamark.runners.claims.relations import Above, Below, Between

_BIAS = "sensing/policy_bias"
_POLICIES = ((1.0, 0.0), (2.0, 0.0), (0.0, 0.0), (0.0, 1.0))


def _policy(kappa: float, a: float) -> dict[str, float]:
    return {"task.kappa": kappa, "task.a": a}


def _geometric(kappa: float, a: float) -> Quantity:
    """The geometric mean over seeds of the error with weights 1/p over the error without."""

    def mean(drawn: ndarray) -> ndarray:
        return np.exp(drawn.mean(axis=1))

    def quantity(rows: Rows) -> Interval:
        return bootstrap(rows.values("log_ratio", _policy(kappa, a)), mean, rows.level)

    return quantity


def _biased(sweeps: int) -> list[Experiment]:
    return [
        Experiment(_BIAS, {"kappa": kappa, "a": a, "sweeps": sweeps}, seeds=32 if kappa else 16)
        for kappa, a in _POLICIES
    ]


_IDENTITY = "an identity of the expected loss, the same for every draw"

C50 = Claim(
    paper="shihab2025",
    kind=EMPIRICAL,
    statement="Weighting by the inverse of the propensity restores low-rank completion of rewards that a policy chose to see.",
    needs=_biased(80),
    convergence=_biased(160),
    looks=(1, 3),
    checks=[
        Check(
            "largest distance of the weighted minimizer of the expected loss to the truncated SVD",
            largest("expected_off", _policy(1.0, 0.0)),
            Below(1e-6),
            exact=_IDENTITY,
        ),
        Check(
            "error of the unweighted minimizer over error of the truncated SVD, kappa = 1",
            median("expected_ratio", _policy(1.0, 0.0)),
            Above(1.3),
        ),
        *(
            Check(
                f"geometric mean of the error with weights over the error without, kappa = {kappa:g}",
                _geometric(kappa, 0.0),
                Below(1.0),
            )
            for kappa in (1.0, 2.0)
        ),
    ],
    fair_controls=[
        Check(
            "largest |log ratio| of a policy without bias",
            largest("log_ratio", _policy(0.0, 0.0)),
            Between(-1e-12, 1e-12),
            exact="the weights are equal, so both minimizers are the same",
        ),
    ],
    controls=[
        Check("geometric mean of the ratio, bias unrelated to reward (kappa = 0, a = 1)", _geometric(0.0, 1.0), None),
        *(
            Check(f"error {name}, kappa = {kappa:g}", median(score, _policy(kappa, 0.0)), None)
            for kappa in (1.0, 2.0)
            for score, name in (("plain", "without weights"), ("inverse", "with weights"), ("oracle", "of the SVD"))
        ),
    ],
    note="On the expected loss without weights, alternation from the weighted SVD ends in one of two places, near the truncated "
    "SVD or far from it: its error is bimodal over draws, so the median of that check is undecided, and the far place may be a "
    "local minimum. Weights cost variance where the bias is unrelated to reward. The effect needs entries with p down to 0.02.",
    registered="0.1.0",
)

_USERS = (30, 60, 120, 240)


def _users(sweeps: int) -> list[Experiment]:
    return [Experiment("sensing/user_samples", {"users": n, "sweeps": sweeps}, seeds=16) for n in _USERS]


C51 = Claim(
    paper="nagaraj2023",
    kind=EMPIRICAL,
    statement="Users whose rewards share a low rank need fewer samples each, the more of them there are.",
    needs=[*_users(120), Experiment("sensing/user_samples", {"users": 1, "grid": (50, 60), "sweeps": 120}, seeds=16)],
    convergence=[
        *_users(240),
        Experiment("sensing/user_samples", {"users": 1, "grid": (50, 60), "sweeps": 240}, seeds=16),
    ],
    looks=(1, 3),
    checks=[
        *(
            Check(
                f"samples of all users over the degrees of freedom, {n} users",
                median("relative", {"task.users": n}),
                Between(1.0, 3.0),
            )
            for n in _USERS
        ),
        Check(
            "samples per user, 30 users over 240 users",
            ratio("entries", {"task.users": 30}, {"task.users": 240}, paired=False),
            Above(2.0),
        ),
    ],
    fair_controls=[
        Check("samples of one user alone, of 60", median("entries", {"task.users": 1}), Above(59.0)),
    ],
    controls=[
        *(Check(f"samples per user, {n} users", median("entries", {"task.users": n}), None) for n in _USERS),
        Check("least share of draws in which success is monotone in s", smallest("monotone"), None),
    ],
    note=PILOT,
    registered="0.1.0",
)
