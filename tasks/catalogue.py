"""The tasks by name. A table of strings: listing it imports no task."""

TASKS: dict[str, str] = {
    # sensing
    # lds
    # koopman
    # chaos
    "chaos/lorenz63": "dynamark.tasks.chaos.tasks:Lorenz63",
    "chaos/rossler": "dynamark.tasks.chaos.tasks:Rossler",
}
