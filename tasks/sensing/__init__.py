"""Recover a low-rank matrix from linear measurements."""
