"""The methods by name. A table of strings: listing it imports no method."""

METHODS: dict[str, str] = {
    "persistence": "dynamark.methods.trivial:Persistence",
    "mean": "dynamark.methods.trivial:Mean",
    # sensing
    # linear
    # online
    # sequence
    # koopman
    # recurrent
    "ngrc": "dynamark.methods.recurrent.ngrc:NextGenerationReservoir",
    "esn": "dynamark.methods.recurrent.reservoir:EchoStateNetwork",
    "parroting": "dynamark.methods.recurrent.parroting:ContextParroting",
    "alrnn": "dynamark.methods.recurrent.alrnn:AlmostLinear",
    # low rank
}
