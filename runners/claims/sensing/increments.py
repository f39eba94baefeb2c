"""Claims about networks that learn one task after another."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, Check, Claim, Experiment
from dynamark.runners.claims.quantities import largest, median
from dynamark.runners.claims.relations import Above, Below

# "Above 0": a learner gains exactly 0 over itself; one image of one test set of five is 0.04 points.
_SOME = 1e-6

_LEARNERS = {
    "increments": "increments of rank 1",
    "sequential": "full matrices trained on",
    "unfrozen": "increments with moving old pairs",
    "separate": "a network for each task",
}

C44 = Claim(
    paper="hyder2022",
    kind=EMPIRICAL,
    statement="Increments of rank 1 learn one task after another without forgetting, at a better mean accuracy than full "
    "matrices that every task trains on.",
    needs=[Experiment("sensing/permuted_digits", seeds=15)],
    checks=[
        Check(
            "largest change of a logit of an earlier task",
            largest("changed_increments"),
            Below(0.0),
            exact="frozen pairs and selectors give equal bits: it holds in every run",
        ),
        Check("points of mean accuracy gained over full matrices trained on", median("gain"), Above(_SOME)),
    ],
    fair_controls=[
        Check("points forgotten with old pairs that go on moving", median("forgetting_unfrozen"), Above(5.0)),
    ],
    controls=[
        *(Check(f"points of accuracy, {title}", median(f"accuracy_{name}"), None) for name, title in _LEARNERS.items()),
        Check("points forgotten, full matrices trained on", median("forgetting_sequential"), None),
        *(Check(f"parameters, {title}", median(f"parameters_{name}"), None) for name, title in _LEARNERS.items()),
    ],
    convergence="all learners have as many steps at one rate, which is part of the statement",
    note="Five tasks: digits, and digits under four permutations of the pixels. 30 epochs of Adam a task; the rate is not tuned "
    "and the same for all. Which task an image belongs to is known, and every task has an output layer of its own.",
    registered="0.2.0",
)
