"""The experiments by name. A table of strings: listing it imports none."""

EXPERIMENTS: dict[str, str] = {
    # sensing
    "sensing/surplus_constant": "dynamark.runners.experiments.sensing:SurplusConstant",
    "sensing/equal_factors": "dynamark.runners.experiments.sensing:EqualFactors",
    "sensing/incremental_learning": "dynamark.runners.experiments.sensing:Incremental",
    "sensing/plateau_exponent": "dynamark.runners.experiments.sensing:Plateau",
    "sensing/mode_curves": "dynamark.runners.experiments.deep_linear:ModeCurves",
    "sensing/depth_independence": "dynamark.runners.experiments.deep_linear:DepthIndependence",
    "sensing/overtraining": "dynamark.runners.experiments.deep_linear:Overtraining",
    # lds
    "lds/hankel_identity": "dynamark.runners.experiments.lds:HankelIdentity",
    "lds/filter_bounds": "dynamark.runners.experiments.lds:FilterBounds",
    "lds/population_error": "dynamark.runners.experiments.lds:PopulationError",
    "lds/chebyshev_growth": "dynamark.runners.experiments.lds:ChebyshevGrowth",
    "lds/legs_kernel": "dynamark.runners.experiments.lds:LegsKernel",
    "lds/window_leak": "dynamark.runners.experiments.lds:WindowLeak",
    "lds/normal_legs": "dynamark.runners.experiments.lds:NormalLegs",
    "lds/perturbed_legs": "dynamark.runners.experiments.lds:PerturbedLegs",
    "lds/delay_memory": "dynamark.runners.experiments.lds_memory:DelayMemory",
    "lds/mode_flow": "dynamark.runners.experiments.lds_learning:ModeFlow",
    "lds/stochastic_approximation": "dynamark.runners.experiments.lds_learning:StochasticApproximation",
    "lds/variational_bound": "dynamark.runners.experiments.lds_learning:VariationalBound",
    # koopman
    "koopman/monomial_verification": "dynamark.runners.experiments.koopman:MonomialVerification",
    "koopman/torus_spectrum": "dynamark.runners.experiments.koopman:TorusSpectrum",
    "koopman/ou_residuals": "dynamark.runners.experiments.koopman:OuResiduals",
    "koopman/ou_sampling": "dynamark.runners.experiments.koopman:OuSampling",
    "koopman/spurious_pairs": "dynamark.runners.experiments.koopman:SpuriousPairs",
    "koopman/three_tones": "dynamark.runners.experiments.koopman_modes:ThreeTones",
    "koopman/noisy_exponentials": "dynamark.runners.experiments.koopman_modes:NoisyExponentials",
    "koopman/spatial_convergence": "dynamark.runners.experiments.koopman_fields:SpatialConvergence",
    "koopman/rank_regressions": "dynamark.runners.experiments.koopman_modes:RankRegressions",
    "koopman/course_correction": "dynamark.runners.experiments.koopman_course:CourseCorrection",
    "koopman/near_rational": "dynamark.runners.experiments.koopman_modes:NearRational",
    # chaos
    "chaos/forced_products": "dynamark.runners.experiments.chaos:ForcedProducts",
    "chaos/clipped_bound": "dynamark.runners.experiments.chaos:ClippedBound",
    "chaos/fixed_points": "dynamark.runners.experiments.chaos:FixedPoints",
    "chaos/symbolic_graph": "dynamark.runners.experiments.chaos_symbols:SymbolicGraph",
    "chaos/sparse_support": "dynamark.runners.experiments.chaos:SparseSupport",
    "chaos/integrator_of_the_data": "dynamark.runners.experiments.chaos:IntegratorOfTheData",
}
