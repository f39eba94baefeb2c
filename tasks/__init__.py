"""Standardized tasks in four families: sensing, lds, koopman and chaos."""

if __name__ != "dynamark.tasks":
    raise ImportError("import dynamark.tasks instead: this folder is part of the package dynamark")
