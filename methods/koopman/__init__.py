"""Koopman operator methods."""
