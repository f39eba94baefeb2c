"""Recovery of low-rank matrices."""
