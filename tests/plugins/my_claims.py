"""Claims of your own: run them with `dynamark claims run my_claims.py`, list them with `dynamark claims list my_claims.py`."""

from __future__ import annotations

from pathlib import Path

from dynamark.runners.claims.claim import EMPIRICAL, UNTRAINED, Check, Claim, Experiment, Runs
from dynamark.runners.claims.quantities import median, power_law
from dynamark.runners.claims.relations import Above, Between

_HERE = Path(__file__).parent

C1 = Claim(
    paper="Donsker, An Invariance Principle for Certain Probability Limit Theorems, 1951",
    kind=EMPIRICAL,
    statement="The standard error of a mean falls like the root of the number of draws.",
    needs=[Experiment(f"{_HERE}/measured.py:StandardError", {"draws": n}, seeds=3) for n in (100, 400, 1600)],
    checks=[
        Check(
            "exponent of the error in the number of draws",
            power_law("error", "task.draws"),
            Between(-0.6, -0.4),
        )
    ],
    published="-1/2",
    convergence=UNTRAINED,
    registered="1.0",
)

C2 = Claim(
    paper="lorenz1963",
    kind=EMPIRICAL,
    statement="A line does not predict a random walk.",
    needs=[Runs(f"{_HERE}/walk.py:Walk", f"{_HERE}/walk.py:Line", seeds=3)],
    checks=[Check("mean squared error", median("error"), Above(0.0))],
    convergence=UNTRAINED,
)
