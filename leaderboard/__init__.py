"""What is made from rows: statistics, tables, the page, comparisons."""

if __name__ != "dynamark.leaderboard":
    raise ImportError("import dynamark.leaderboard instead: this folder is part of the package dynamark")
