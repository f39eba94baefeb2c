"""Tasks on chaotic systems: reconstruct the attractor from one trajectory."""
