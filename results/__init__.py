"""The row, its key and its store."""

if __name__ != "dynamark.results":
    raise ImportError("import dynamark.results instead: this folder is part of the package dynamark")
