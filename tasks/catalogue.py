"""The tasks by name. A table of strings: listing it imports no task."""

TASKS: dict[str, str] = {
    # sensing
    "sensing/psd": "dynamark.tasks.sensing.tasks:PositiveSensing",
    "sensing/asymmetric": "dynamark.tasks.sensing.tasks:AsymmetricSensing",
    "sensing/completion": "dynamark.tasks.sensing.completion:Completion",
    "sensing/population": "dynamark.tasks.sensing.variants:PopulationSensing",
    "sensing/incremental": "dynamark.tasks.sensing.variants:IncrementalSensing",
    "sensing/few": "dynamark.tasks.sensing.variants:FewMeasurements",
    "sensing/ill_conditioned": "dynamark.tasks.sensing.tasks:AsymmetricSensing(condition=1000.0, spacing='geometric')",
    "sensing/correlated": "dynamark.tasks.sensing.variants:CorrelatedSensing",
    "sensing/coherent": "dynamark.tasks.sensing.variants:CoherentCompletion",
    "sensing/noisy": "dynamark.tasks.sensing.variants:NoisySensing",
    "sensing/digits": "dynamark.tasks.sensing.digits:Digits",
    # lds
    "lds/sym_pos": "dynamark.tasks.lds.simulation:Simulation",
    "lds/sym_pos_noisy": "dynamark.tasks.lds.onestep:OneStep(noise='nw+nv')",
    "lds/regret": "dynamark.tasks.lds.online:Regret",
    # koopman
    "koopman/slow_manifold": "dynamark.tasks.koopman.deterministic:SlowManifold",
    "koopman/duffing": "dynamark.tasks.koopman.deterministic:Duffing",
    "koopman/pendulum": "dynamark.tasks.koopman.deterministic:Pendulum",
    "koopman/vdp": "dynamark.tasks.koopman.deterministic:VanDerPol",
    "koopman/lotka_volterra": "dynamark.tasks.koopman.deterministic:LotkaVolterra",
    # chaos
    "chaos/lorenz63": "dynamark.tasks.chaos.tasks:Lorenz63",
    "chaos/rossler": "dynamark.tasks.chaos.tasks:Rossler",
}
