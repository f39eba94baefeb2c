"""The methods by name. A table of strings: listing it imports no method."""

METHODS: dict[str, str] = {
    "persistence": "dynamark.methods.trivial:Persistence",
    # sensing
    # linear
    # online
    # sequence
    # koopman
    # recurrent
    # low rank
}
