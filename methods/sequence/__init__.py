"""Sequence layers, and the residual stack that is common to all of them."""
