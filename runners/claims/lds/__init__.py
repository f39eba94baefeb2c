"""What papers on linear dynamical systems and sequences claim, beside the experiments that measure it."""
