"""What papers on chaotic reconstruction claim, beside the experiments that measure it."""
