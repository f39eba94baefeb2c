"""The command `dynamark`. Each verb is a module, imported only when it is called, so that `--help` is fast."""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import io
import os
import sys
from typing import NoReturn

from dynamark.cli import interruption
from dynamark.cli.examples import add_verbose, dress
from dynamark.cli.output import logging_to_stderr
from dynamark.errors import UserError, missing_package, one_line
from dynamark.version import __version__

__all__ = ["main", "parser_of"]

# The exit code of an internal error (EX_SOFTWARE); no verb uses it for a verdict.
INTERNAL = 70

VERBS = {
    "run": "run a suite or board and print its leaderboard",
    "leaderboard": "print the leaderboard, or write it as HTML, LaTeX, CSV or JSON",
    "claims": "list, show or run the claims of papers that the results check",
    "compare": "compare two sets of results and report regressions",
    "history": "show scores over revisions and where they changed",
    "bisect": "name the commit at which a method became worse on a task",
    "reproduce": "re-run a result from its recorded configuration and compare scores",
    "results": "verify, merge or submit results, or keep them after a refactoring",
    "slurm": "write the Slurm array script that runs a suite or board on a cluster",
    "list": "list available tasks, methods, suites and boards",
    "check": "check a method for common faults before a long run",
    "data": "verify, record or export the data of tasks",
    "completion": "print a script that completes commands in a shell",
}


# Characters of one argument: more than any name or path has.
_LONGEST = 4096

# What the file system refuses on account of what the user gave: a name too long, a folder that is absent or not writable.
_REFUSED = {
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ELOOP,
    errno.ENOSPC,
    errno.EDQUOT,
}


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one printable line, whatever was typed."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the error, and exit with 2."""
        self.print_usage(sys.stderr)
        self.exit(2, _within(f"{self.prog}: error: ", message) + "\n")


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, call the verb, and return the exit code."""
    if argv is None:
        interruption.end_at_once()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a terminal that knows ASCII only
    words = sys.argv[1:] if argv is None else argv
    if long := next((word for word in words if len(word) > _LONGEST), None):
        _say(f"error: an argument has more than {_LONGEST} characters: '{one_line(long, 60)}'; give a shorter one")
        return 2
    # The verb is the first word that is no option: `dynamark -v run quick`.
    args = parser_of(next((word for word in words if not word.startswith("-")), "")).parse_args(words)
    logging_to_stderr(getattr(args, "verbose", 0))
    return _guarded(args)


def parser_of(only: str | None) -> argparse.ArgumentParser:
    """The parser of the command, with the arguments of one verb; of all verbs where none is given."""
    parser = _Parser(
        prog="dynamark",
        description="A reproducible benchmark suite and leaderboard for methods that learn dynamics.",
        epilog="Example: dynamark run quick. Run `dynamark VERB --help` for details.",
    )
    parser.add_argument("--version", action="version", version=f"dynamark {__version__}")
    add_verbose(parser)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, about in VERBS.items():
        verb = verbs.add_parser(name, help=about, description=about)
        if only in (None, name):
            module = importlib.import_module(f"dynamark.cli.{name}")
            module.arguments(verb)
            dress(verb, name)
            verb.set_defaults(main=module.main)
    return parser


def _guarded(args: argparse.Namespace) -> int:
    """Call the verb. Every exception becomes one line and an exit code: 2 bad input, 70 internal error, 130 Ctrl-C."""
    code: int | None = None
    interruption.reset()
    try:
        try:
            code = int(args.main(args))
        except BaseException as error:
            code = _told(error)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader closed the pipe (`dynamark compare A B | head`): print nothing more and keep the exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return getattr(args, "exit_code", 0) if code is None else code
    return code


def _told(error: BaseException) -> int:
    """Print what a verb raised as one line; the exit code."""
    if isinstance(error, KeyboardInterrupt) or interruption.was_interrupted():
        interruption.ignore_more()
        _say(interruption.line())
        return interruption.INTERRUPTED
    if isinstance(error, BrokenPipeError) or not isinstance(error, Exception):
        raise error
    error = missing_package(error) or error
    if isinstance(error, UserError):
        _say(f"error: {error}")
        return 2
    if isinstance(error, OSError) and error.errno in _REFUSED and error.filename is not None:
        _say(f"error: cannot use {one_line(os.fsdecode(error.filename), 120)}: {error.strerror}; give another path")
        return 2
    if os.environ.get("DYNAMARK_DEBUG"):
        raise error
    _say(
        f"internal error: {one_line(f'{type(error).__name__}: {error}', 150)}; "
        "please report it (DYNAMARK_DEBUG=1 shows the traceback)"
    )
    return INTERNAL


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        print(_within("dynamark: ", text), file=sys.stderr)


def _within(start: str, text: str) -> str:
    """One line of at most 300 characters."""
    return start + one_line(text, 300 - len(start))
