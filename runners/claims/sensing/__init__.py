"""What papers on matrix sensing and low-rank training claim, beside the experiments that measure it."""
