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
    "fir": "dynamark.methods.linear.regression:FIR",
    "arx": "dynamark.methods.linear.regression:ARX",
    "real_poles": "dynamark.methods.linear.regression:RealPoles",
    "spectral_filtering": "dynamark.methods.linear.regression:SpectralFiltering",
    "spectral_arx": "dynamark.methods.linear.regression:SpectralARX",
    # online
    "vaw": "dynamark.methods.online.learners:VAW",
    "vaw_spectral": "dynamark.methods.online.learners:VAW(features='spectral_both')",
    "rls": "dynamark.methods.online.learners:RLS",
    "ogd": "dynamark.methods.online.learners:OGD(adaptive=False, rate=0.01)",
    "adagrad": "dynamark.methods.online.learners:OGD",
    # sequence
    "stu": "dynamark.methods.sequence.kernels:STU",
    "s4d": "dynamark.methods.sequence.kernels:S4D",
    "s4d_lin": "dynamark.methods.sequence.kernels:S4D(init='lin')",
    "s4d_inv": "dynamark.methods.sequence.kernels:S4D(init='inv')",
    "s4d_real": "dynamark.methods.sequence.kernels:S4D(init='real')",
    "lru": "dynamark.methods.sequence.kernels:LRU",
    "gru": "dynamark.methods.sequence.gru:GRU",
    "gru_64": "dynamark.methods.sequence.gru:GRU(units=64)",
    # koopman
    "train_mean": "dynamark.methods.koopman.mean:TrainMean",
    "dmd": "dynamark.methods.koopman.dmd:Dmd",
    "hankel": "dynamark.methods.koopman.dmd:HankelDmd",
    "optdmd": "dynamark.methods.koopman.optdmd:OptDmd",
    "edmd": "dynamark.methods.koopman.edmd:Edmd",
    "mpedmd": "dynamark.methods.koopman.edmd:MpEdmd",
    "kae_reenc": "dynamark.methods.koopman.autoencoder:KoopmanAutoencoder",
    "poly_increment": "dynamark.methods.koopman.polynomial:PolynomialIncrement",
    # recurrent
    "ngrc": "dynamark.methods.recurrent.ngrc:NextGenerationReservoir",
    "esn": "dynamark.methods.recurrent.reservoir:EchoStateNetwork",
    "parroting": "dynamark.methods.recurrent.parroting:ContextParroting",
    "alrnn": "dynamark.methods.recurrent.alrnn:AlmostLinear",
    "shplrnn": "dynamark.methods.recurrent.shallow:ShallowPiecewiseLinear",
    "sindy": "dynamark.methods.recurrent.sindy:SparseIdentification",
    # low rank
}
