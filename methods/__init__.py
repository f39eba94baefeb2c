"""Pluggable methods that learn dynamics."""

if __name__ != "dynamark.methods":
    raise ImportError("import dynamark.methods instead: this folder is part of the package dynamark")
