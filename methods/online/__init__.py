"""Learners that predict, then see the output."""
