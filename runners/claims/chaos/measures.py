"""Claims about measures of irregularity and of distributions, and about a network of neurons."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, THEOREM, UNTRAINED, Check, Claim, Experiment
from dynamark.runners.claims.quantities import difference, largest, lower_extreme, smallest, upper_extreme
from dynamark.runners.claims.relations import Above, Below, Between

_CHAOTIC = {"task.hub": -0.1}
_REGULAR = {"task.hub": 0.0}

X21 = Claim(
    paper="nair2024",
    kind=EMPIRICAL,
    statement="The 0-1 test tells the chaotic network of four neurons from the regular one, whose sample entropy is lower.",
    needs=[
        Experiment("chaos/chialvo_irregularity", {"hub": weight, "ring": weight}, seeds=5) for weight in (-0.1, 0.0)
    ],
    checks=[
        Check("smallest K, coupled", lower_extreme("k", _CHAOTIC), Above(0.9)),
        Check("largest K, without coupling", upper_extreme("k", _REGULAR), Below(0.3)),
        Check("sample entropy, coupled minus uncoupled", difference("entropy", _CHAOTIC, _REGULAR), Above(0.0)),
    ],
    looks=(1, 4),
    convergence=UNTRAINED,
    note="3000 iterates of the first node of the ring after 3000. The weights and the signs of the coupling are ours.",
    registered="0.1.0",
)

X22 = Claim(
    paper="nair2024",
    kind=THEOREM,
    statement="At the synchronous fixed point the spectrum of the network splits into blocks of two by two.",
    needs=[Experiment("chaos/synchronous_spectrum", seeds=3)],
    checks=[Check("largest distance of an eigenvalue of the network from its block", largest("gap"), Below(1e-7))],
    fair_controls=[
        Check("median distance from the blocks of a network without coupling", smallest("unmatched"), Above(1e-3))
    ],
    note="100 draws of the weights of the hub, the ring and the triangles. Nearly double eigenvalues lose half of their digits.",
    registered="0.1.0",
)

X23 = Claim(
    paper="nair2024",
    kind=THEOREM,
    statement="Linear coupling over triangles of four connected neurons is coupling over edges of larger weight.",
    needs=[Experiment("chaos/neuron_triangles", seeds=3)],
    checks=[Check("largest relative difference of a step", largest("gap"), Below(1e-12))],
    fair_controls=[Check("median relative difference without the triangles", smallest("without"), Above(1e-3))],
    note="One step from each of 1000 states of the chaotic orbit: orbits part, because rounding errors grow.",
    registered="0.1.0",
)

X43 = Claim(
    paper="dynamark",
    kind=THEOREM,
    statement="Measures of irregularity and distributions have their known values; oversampling hides chaos from the 0-1 test.",
    needs=[Experiment("chaos/metric_checks", seeds=3)],
    checks=[
        Check("K of the Lorenz system sampled every 0.01", largest("k_fine"), Below(0.2)),
        Check("K at the stride at which its autocorrelation is below 1/e", smallest("k_stride"), Above(0.95)),
        Check("sample entropy of white noise minus its value", smallest("white_entropy"), Between(-0.03, 0.03)),
        Check("sample entropy of white noise minus its value, largest", largest("white_entropy"), Between(-0.03, 0.03)),
        Check("discrepancy of two true sets over the floor", largest("true_over_floor"), Below(3.0)),
        Check("discrepancy of a Gaussian fit over the floor", smallest("gaussian_over_floor"), Above(10.0)),
        Check("valid time of the exact flow over the horizon", smallest("exact_share"), Above(1.0)),
    ],
    fair_controls=[
        Check(
            "valid time of a flow that starts one percent elsewhere over the horizon",
            largest("shifted_share"),
            Below(1.0),
        )
    ],
    note="Series of 3000 samples, sets of 1000 states of the Lorenz system.",
    registered="0.1.0",
)
