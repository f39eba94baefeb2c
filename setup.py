"""Refuses to build a package without its parts; everything else stands in pyproject.toml."""

from pathlib import Path

from setuptools import setup

# Symbolic links to the folders of the repository; where git cannot make links they are small text files.
PARTS = ("leaderboards", "methods", "results", "runners", "tasks")

home = Path(__file__).parent / "src" / "dynamark"
if broken := [part for part in PARTS if not (home / part / "__init__.py").is_file()]:
    raise SystemExit(
        f"error: src/dynamark/{broken[0]} is not a folder, because this checkout has no symbolic links; clone with "
        "`git clone -c core.symlinks=true`, or install the wheel or the source archive of a release"
    )
setup()
