"""The tasks by name. A table of strings: listing it imports no task."""

TASKS: dict[str, str] = {
    # sensing
    # lds
    "lds/sym_pos": "dynamark.tasks.lds.simulation:Simulation",
    "lds/sym_pos_noisy": "dynamark.tasks.lds.onestep:OneStep(noise='nw+nv')",
    "lds/regret": "dynamark.tasks.lds.online:Regret",
    # koopman
    # chaos
    "chaos/lorenz63": "dynamark.tasks.chaos.tasks:Lorenz63",
    "chaos/rossler": "dynamark.tasks.chaos.tasks:Rossler",
}
