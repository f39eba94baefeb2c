"""Predict the outputs of linear dynamical systems."""
