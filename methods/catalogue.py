"""The methods by name. A table of strings: listing it imports no method."""

METHODS: dict[str, str] = {
    "persistence": "dynamark.methods.trivial:Persistence",
    # sensing
    "spectral": "dynamark.methods.sensing.spectral:Spectral",
    "gd": "dynamark.methods.sensing.descent:GradientDescent",
    "gd_small": "dynamark.methods.sensing.descent:GradientDescent(start_scale=1e-6)",
    "gd_one_step": "dynamark.methods.sensing.descent:GradientDescent(balance=0.7)",
    "scaled_gd": "dynamark.methods.sensing.scaled:ScaledGradientDescent",
    "altmin": "dynamark.methods.sensing.alternating:AlternatingMinimisation",
    # linear
    # online
    # sequence
    # koopman
    # recurrent
    # low rank
}
