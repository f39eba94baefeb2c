"""Reconstruct chaotic attractors from one trajectory."""
