"""The experiments by name. A table of strings: listing it imports none."""

EXPERIMENTS: dict[str, str] = {
    # sensing
    # lds
    "lds/hankel_identity": "dynamark.runners.experiments.lds:HankelIdentity",
    "lds/filter_bounds": "dynamark.runners.experiments.lds:FilterBounds",
    "lds/population_error": "dynamark.runners.experiments.lds:PopulationError",
    "lds/chebyshev_growth": "dynamark.runners.experiments.lds:ChebyshevGrowth",
    "lds/legs_kernel": "dynamark.runners.experiments.lds:LegsKernel",
    "lds/window_leak": "dynamark.runners.experiments.lds:WindowLeak",
    "lds/normal_legs": "dynamark.runners.experiments.lds:NormalLegs",
    "lds/perturbed_legs": "dynamark.runners.experiments.lds:PerturbedLegs",
    # koopman
    # chaos
}
