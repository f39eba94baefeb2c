"""Claims about the way back from a few latent states to the state."""

from __future__ import annotations

from dynamark.runners.claims.claim import EMPIRICAL, Check, Claim, Experiment
from dynamark.runners.claims.quantities import median
from dynamark.runners.claims.relations import Above, Below

K59 = Claim(
    paper="otto2019",
    kind=EMPIRICAL,
    statement="Several kernels at once read the state back from three latent states with half the error of a linear map.",
    needs=[Experiment("koopman/kernel_reconstruction", seeds=5)],
    checks=[Check("ratio of errors, kernels to linear map", median("gain"), Below(0.5))],
    fair_controls=[
        Check("ratio of errors, kernels to linear map, noise as states", median("random_gain"), Above(0.98))
    ],
    controls=[
        Check("error with kernels", median("kernels"), None),
        Check("error of the linear map", median("linear"), None),
        Check("error of the network's own decoder", median("decoder"), None),
        Check("place of the penalty for noise, 1 the largest", median("random_penalty"), None),
    ],
    published="figures",
    looks=(1, 2),
    convergence=[Experiment("koopman/kernel_reconstruction", {"steps": 4000}, seeds=5)],
    note="Wake in the mean-field model, 200 centers, Gaussians of three widths with equal weights, 2000 steps of training.",
    registered="0.2.0",
)
