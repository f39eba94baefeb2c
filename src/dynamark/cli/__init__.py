"""The command `dynamark`. Each verb is a module, imported only when it is called, so that `--help` is fast."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys

from dynamark.errors import UserError, one_line
from dynamark.version import __version__

__all__ = ["main"]

# The exit code of an internal error (EX_SOFTWARE); no verb uses it for a verdict.
INTERNAL = 70

VERBS = {
    "run": "run a suite or board and print its leaderboard",
    "leaderboard": "print the leaderboard, or write it as HTML, LaTeX, CSV or JSON",
    "claims": "list, show or run the claims of papers that the results check",
    "compare": "compare two sets of results and report regressions",
    "history": "show scores over revisions and where they changed",
    "reproduce": "re-run a result from its recorded configuration and compare scores",
    "results": "verify results before they are published",
    "list": "list available tasks, methods, suites and boards",
    "check": "check a method for common faults before a long run",
    "data": "verify, record or export the data of tasks",
}


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, call the verb, and return the exit code."""
    words = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="dynamark",
        description="A reproducible benchmark suite and leaderboard for methods that learn dynamics.",
        epilog="Run `dynamark VERB --help` for details.",
    )
    parser.add_argument("--version", action="version", version=f"dynamark {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, about in VERBS.items():
        verb = verbs.add_parser(name, help=about, description=about)
        if words[:1] == [name]:
            module = importlib.import_module(f"dynamark.cli.{name}")
            module.arguments(verb)
            verb.set_defaults(main=module.main)
    args = parser.parse_args(words)
    return _guarded(args)


def _guarded(args: argparse.Namespace) -> int:
    """Call the verb. Every exception becomes one line and an exit code: 2 bad input, 70 internal error, 130 Ctrl-C."""
    verdict: int | None = None
    try:
        try:
            verdict = int(args.main(args))
        except UserError as error:
            verdict = 2
            _say(f"error: {one_line(str(error))}")
        except KeyboardInterrupt:
            verdict = 130
            _say("stopped")
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader closed the pipe (`dynamark compare A B | head`): print nothing more and keep the exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return getattr(args, "verdict", 0) if verdict is None else verdict
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if os.environ.get("DYNAMARK_DEBUG"):
            raise
        _say(
            f"internal error: {one_line(f'{type(error).__name__}: {error}', 200)}; "
            "please report it (DYNAMARK_DEBUG=1 shows the traceback)"
        )
        return INTERNAL
    return verdict


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        print(f"dynamark: {text}", file=sys.stderr)
