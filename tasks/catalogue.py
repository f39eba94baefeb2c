"""The tasks by name. A table of strings: listing it imports no task."""

TASKS: dict[str, str] = {
    # sensing
    "sensing/psd": "dynamark.tasks.sensing.tasks:PositiveSensing",
    "sensing/asymmetric": "dynamark.tasks.sensing.tasks:AsymmetricSensing",
    "sensing/completion": "dynamark.tasks.sensing.completion:Completion",
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
    "koopman/wake": "dynamark.tasks.koopman.waves:Wake",
    "koopman/ks": "dynamark.tasks.koopman.waves:Kuramoto",
    "koopman/pendulum_delay": "dynamark.tasks.koopman.deterministic:Pendulum(context=32)",
    "koopman/lotka_volterra_delay": "dynamark.tasks.koopman.deterministic:LotkaVolterra(context=32)",
    "koopman/ou": "dynamark.tasks.koopman.stochastic:OrnsteinUhlenbeck",
    "koopman/noisy_logistic": "dynamark.tasks.koopman.stochastic:NoisyLogistic",
    "koopman/double_well": "dynamark.tasks.koopman.stochastic:DoubleWell",
    # chaos
    "chaos/lorenz63": "dynamark.tasks.chaos.tasks:Lorenz63",
    "chaos/rossler": "dynamark.tasks.chaos.tasks:Rossler",
}
