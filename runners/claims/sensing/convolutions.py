"""Claims about low-rank training of convolutional networks."""

from __future__ import annotations

import numpy as np

from dynamark.runners.claims.claim import EMPIRICAL, PILOT, Check, Claim, Experiment, Interval, Quantity
from dynamark.runners.claims.columns import Rows
from dynamark.runners.claims.quantities import median
from dynamark.runners.claims.relations import Above, Below

_THETAS = (20, 30)
_UNKNOWN = 100.0  # beyond every share and every difference of points that decides


def _settled(losses: np.ndarray, half: np.ndarray) -> bool:
    """Whether the training loss is small or hardly changes in the second half, in the median."""
    return bool(np.median(losses) <= 0.02 or np.median(np.abs(losses / half - 1)) <= 0.1)


def _converged(rows: Rows, theta: int) -> bool:
    """Whether medians change from half of the epochs to the end by at most .5 points and .02 of the parameters saved."""
    errors = [np.median(rows.values(score)) for score in (f"change_half_{theta}", "full_change_half")]
    return bool(
        np.abs(errors).max() <= 0.5
        and abs(np.median(rows.values(f"compression_half_{theta}"))) <= 0.02
        and _settled(rows.values(f"last_loss_{theta}"), rows.values(f"loss_half_{theta}"))
        and _settled(rows.values("full_last_loss"), rows.values("full_loss_half"))
    )


def _once_converged(score: str, theta: int) -> Quantity:
    """The median over seeds; where the networks are not converged its interval covers every value."""

    def quantity(rows: Rows) -> Interval:
        interval = median(f"{score}_{theta}")(rows)
        return interval if _converged(rows, theta) else Interval(interval.value, -_UNKNOWN, _UNKNOWN)

    return quantity


C48 = Claim(
    paper="schotthoefer2022",
    kind=EMPIRICAL,
    statement="With ranks found while training, convolutional networks lose most parameters and little accuracy, too.",
    needs=[Experiment("sensing/convolutional_digits", seeds=5)],
    checks=[
        check
        for theta, saved, points in ((20, 0.6, 1.0), (30, 0.75, 4.0))
        for check in (
            Check(f"parameters saved, theta {theta / 100:g}", _once_converged("saved", theta), Above(saved)),
            Check(f"points of accuracy lost, theta {theta / 100:g}", _once_converged("lost", theta), Below(points)),
        )
    ],
    fair_controls=[
        Check("sum of ranks with shuffled labels - sum with true labels, theta 0.2", median("rank_gain"), Above(1.0)),
    ],
    controls=[
        *(
            Check(f"{title}, theta {theta / 100:g}", median(f"{score}_{theta}"), None)
            for theta in _THETAS
            for score, title in (
                ("lost_gradients", "points of accuracy lost at as many gradients"),
                ("rank_convolution", "rank of the second convolution"),
                ("rank_dense", "rank of the dense layer"),
                ("change_half", "change of points of error since half of the epochs"),
                ("compression_half", "change of parameters saved since half of the epochs"),
                ("last_loss", "training loss of the last epoch"),
            )
        ),
        Check("points of error of full matrices", median("error_full"), None),
        Check("change of points of error since half of the epochs, full matrices", median("full_change_half"), None),
        Check("training loss of the last epoch, full matrices", median("full_last_loss"), None),
        Check("sum of ranks with shuffled labels", median("rank_shuffled"), None),
        Check("training loss of the last epoch, shuffled labels", median("loss_shuffled"), None),
    ],
    convergence="the checks hold or fail only where medians change by at most .5 points of error and .02 of the parameters saved "
    "from half of the epochs to the end, and the training loss is at most .02 or changes by at most 10 %; else their intervals "
    "cover every value",
    published="LeNet5 on MNIST: 98.2 % at 93.0 % compression (theta 0.11), 98.1 % at 97.0 % (0.2); full 98.8 %",
    note=f"{PILOT} Digits of 8 x 8 pixels, 18,346 parameters, 200 epochs; the largest possible saving is .911, at ranks of 2. "
    "Ranks are at most half of the smaller side; at theta .1 both would, so that the control with shuffled labels is at .2. "
    "450 test images: one standard error is about 0.5 points.",
    registered="0.2.0",
)
