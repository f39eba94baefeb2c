"""What papers claim, as checks on rows, and the experiments that only claims need; one folder a family."""
