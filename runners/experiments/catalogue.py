"""The experiments by name. A table of strings: listing it imports none."""

EXPERIMENTS: dict[str, str] = {
    # sensing
    # lds
    # koopman
    "koopman/monomial_verification": "dynamark.runners.experiments.koopman:MonomialVerification",
    "koopman/torus_spectrum": "dynamark.runners.experiments.koopman:TorusSpectrum",
    "koopman/ou_residuals": "dynamark.runners.experiments.koopman:OuResiduals",
    "koopman/ou_sampling": "dynamark.runners.experiments.koopman:OuSampling",
    "koopman/spurious_pairs": "dynamark.runners.experiments.koopman:SpuriousPairs",
    "koopman/three_tones": "dynamark.runners.experiments.koopman_modes:ThreeTones",
    "koopman/noisy_exponentials": "dynamark.runners.experiments.koopman_modes:NoisyExponentials",
    "koopman/spatial_convergence": "dynamark.runners.experiments.koopman_fields:SpatialConvergence",
    "koopman/near_rational": "dynamark.runners.experiments.koopman_modes:NearRational",
    # chaos
    "chaos/forced_products": "dynamark.runners.experiments.chaos:ForcedProducts",
    "chaos/clipped_bound": "dynamark.runners.experiments.chaos:ClippedBound",
    "chaos/fixed_points": "dynamark.runners.experiments.chaos:FixedPoints",
    "chaos/sparse_support": "dynamark.runners.experiments.chaos:SparseSupport",
    "chaos/integrator_of_the_data": "dynamark.runners.experiments.chaos:IntegratorOfTheData",
}
