"""The tasks by name. A table of strings: listing it imports no task."""

TASKS: dict[str, str] = {
    # sensing
    "sensing/psd": "dynamark.tasks.sensing.tasks:PositiveSensing",
    "sensing/asymmetric": "dynamark.tasks.sensing.tasks:AsymmetricSensing",
    "sensing/completion": "dynamark.tasks.sensing.completion:Completion",
    # lds
    # koopman
    # chaos
    "chaos/lorenz63": "dynamark.tasks.chaos.tasks:Lorenz63",
    "chaos/rossler": "dynamark.tasks.chaos.tasks:Rossler",
}
