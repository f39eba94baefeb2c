"""The methods by name. A table of strings: listing it imports no method."""

METHODS: dict[str, str] = {
    "persistence": "dynamark.methods.trivial:Persistence",
    # sensing
    # linear
    # online
    # sequence
    # koopman
    "train_mean": "dynamark.methods.koopman.mean:TrainMean",
    "dmd": "dynamark.methods.koopman.dmd:Dmd",
    "edmd": "dynamark.methods.koopman.edmd:Edmd",
    "mpedmd": "dynamark.methods.koopman.edmd:MpEdmd",
    "kae_reenc": "dynamark.methods.koopman.autoencoder:KoopmanAutoencoder",
    "poly_increment": "dynamark.methods.koopman.polynomial:PolynomialIncrement",
    # recurrent
    # low rank
}
