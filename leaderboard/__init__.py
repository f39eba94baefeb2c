"""What is made from rows: statistics, tables, the page, comparisons."""

if __name__ != "dynamark.leaderboards":
    raise ImportError("import dynamark.leaderboards instead: this folder is part of the package dynamark")
