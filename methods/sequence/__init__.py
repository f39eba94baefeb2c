"""Sequence layers and the one residual stack around them."""
