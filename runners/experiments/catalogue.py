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
    "koopman/rank_regressions": "dynamark.runners.experiments.koopman_modes:RankRegressions",
    "koopman/course_correction": "dynamark.runners.experiments.koopman_course:CourseCorrection",
    "koopman/near_rational": "dynamark.runners.experiments.koopman_modes:NearRational",
    # chaos
}
