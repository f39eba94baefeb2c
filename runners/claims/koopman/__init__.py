"""What papers on Koopman operators claim, beside the experiments that measure it."""
