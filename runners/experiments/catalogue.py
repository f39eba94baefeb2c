"""The experiments by name. A table of strings: listing it imports none."""

EXPERIMENTS: dict[str, str] = {
    # sensing
    "surplus_constant": "dynamark.runners.experiments.sensing:SurplusConstant",
    "equal_factors": "dynamark.runners.experiments.sensing:EqualFactors",
    "incremental_learning": "dynamark.runners.experiments.sensing:Incremental",
    "plateau_exponent": "dynamark.runners.experiments.sensing:Plateau",
    "mode_curves": "dynamark.runners.experiments.deep_linear:ModeCurves",
    "depth_independence": "dynamark.runners.experiments.deep_linear:DepthIndependence",
    "overtraining": "dynamark.runners.experiments.deep_linear:Overtraining",
    # lds
    # koopman
    # chaos
}
