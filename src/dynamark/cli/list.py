"""`dynamark list tasks|methods|suites`."""

from __future__ import annotations

import argparse
import json


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("what", choices=["tasks", "methods", "suites"])
    parser.add_argument("--json", action="store_true", help="as JSON: names and where they live")


def main(told: argparse.Namespace) -> int:
    """Print names, one a line. Nothing that is listed is imported."""
    names = {"tasks": _tasks, "methods": _methods, "suites": _suites}[told.what]()
    if told.json:
        print(json.dumps([{"name": name, "about": about} for name, about in names.items()], indent=2))
    else:
        print("\n".join(names))
    return 0


def _tasks() -> dict[str, str]:
    return dict(_table("dynamark.tasks"))


def _methods() -> dict[str, str]:
    return dict(_table("dynamark.methods"))


def _table(group: str) -> dict[str, str]:
    from importlib.metadata import entry_points

    from dynamark.methods.catalogue import METHODS
    from dynamark.tasks.catalogue import TASKS

    shipped = TASKS if group == "dynamark.tasks" else METHODS
    return {**shipped, **{p.name: p.value for p in entry_points(group=group) if p.name not in shipped}}


def _suites() -> dict[str, str]:
    from dynamark.runners.suite import load_suite, suite_names

    return {name: load_suite(name).about for name in suite_names()}
