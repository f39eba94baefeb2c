"""What is measured: standardized tasks in four families."""

if __name__ != "dynamark.tasks":
    raise ImportError("import dynamark.tasks instead: this folder is part of the package dynamark")
