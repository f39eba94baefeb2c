"""`dynamark list tasks|methods|suites|boards|papers`."""

from __future__ import annotations

import argparse
import json


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("what", choices=["tasks", "methods", "suites", "boards", "papers"])
    parser.add_argument("--json", action="store_true", help="print JSON: each name with its class or description")
    parser.add_argument(
        "--format",
        choices=["terminal", "md"],
        default="terminal",
        help="terminal: one name per line; md: a reference page in Markdown (default: %(default)s)",
    )
    parser.add_argument("--out", metavar="FILE", help="write to FILE instead of stdout")


def main(args: argparse.Namespace) -> int:
    """Print names, one per line, or a reference page. Printing names imports none of the classes."""
    from dynamark.cli.output import write

    if args.what == "boards":
        write(_boards(args.json, args.format), args.out)
        return 0
    if args.format == "md":
        write(_cards(args.what), args.out)
        return 0
    names = {"tasks": _tasks, "methods": _methods, "suites": _suites, "papers": _papers}[args.what]()
    listed = [{"name": name, "about": about} for name, about in names.items()]
    write(json.dumps(listed, indent=2) if args.json else "\n".join(names), args.out)
    return 0


def _boards(as_json: bool, format: str) -> str:
    """The boards with their questions; as JSON with their tasks, methods, exclusions and predicted hours."""
    from dynamark.runners.plan.board import board_names, read_board

    if not as_json:  # imports no task and no method
        lines = [(name, read_board(name).question) for name in board_names()]
        shown = [f"- `{name}`: {question}" if format == "md" else f"{name}: {question}" for name, question in lines]
        return "\n".join((["# Boards", ""] if format == "md" else []) + shown)
    from dynamark.runners.plan.complete import load_board
    from dynamark.runners.plan.expand import expand
    from dynamark.runners.plan.hours import Seconds

    boards = [load_board(name) for name in board_names()]
    seconds = Seconds()
    listed = [
        {
            "name": board.name,
            "family": board.family,
            "question": board.question,
            "tier": board.tier,
            "tasks": board.tasks,
            "methods": board.methods,
            "excluded": dict(board.excluded),
            "seeds": board.seeds,
            "candidates": board.candidates,
            "hours": seconds.hours(expand(board).runs),
        }
        for board in boards
    ]
    return json.dumps(listed, indent=2)


def _cards(what: str) -> str:
    from dynamark.leaderboards.page.sources import bibtex
    from dynamark.runners.cards import method_cards, task_cards

    if what == "suites":
        return "# Suites\n\n" + "".join(f"- `{name}`: {about}\n" for name, about in _suites().items())
    if what == "papers":
        from dynamark.runners.claims.literature import papers_page

        return papers_page()
    return task_cards() if what == "tasks" else method_cards(bibtex)


def _tasks() -> dict[str, str]:
    return dict(_table("dynamark.tasks"))


def _methods() -> dict[str, str]:
    return dict(_table("dynamark.methods"))


def _table(group: str) -> dict[str, str]:
    from importlib.metadata import entry_points

    from dynamark.methods.catalog import METHODS
    from dynamark.tasks.catalog import TASKS

    shipped = TASKS if group == "dynamark.tasks" else METHODS
    return {**shipped, **{p.name: p.value for p in entry_points(group=group) if p.name not in shipped}}


def _suites() -> dict[str, str]:
    from dynamark.runners.plan.suite import load_suite, suite_names

    return {name: load_suite(name).about for name in suite_names()}


def _papers() -> dict[str, str]:
    from dynamark.runners.claims.papers import bibliography

    return {key: str(paper) for key, paper in bibliography().items()}
