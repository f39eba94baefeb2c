"""A claim that the package brings."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, UNTRAINED, Check, Claim, Runs
from dynamark.runners.claims.quantities import median
from dynamark.runners.claims.relations import Below

E1 = Claim(
    paper="dynamark",
    kind=EMPIRICAL,
    statement="Halfway predicts a task that stands still.",
    needs=[Runs("example/still", "halfway", seeds=3)],
    checks=[Check("error", median("error"), Below(1.0))],
    convergence=UNTRAINED,
)
