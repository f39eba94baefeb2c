"""Where tasks and methods meet: from a suite to rows."""

if __name__ != "dynamark.runners":
    raise ImportError("import dynamark.runners instead: this folder is part of the package dynamark")
