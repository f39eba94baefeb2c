"""Ctrl-C: one line and exit code 130, whatever the command is doing, and however often it is pressed.

By default Python raises `KeyboardInterrupt` wherever it is: in the middle of an import, where libraries turn it into other
errors, or while another one is handled. So a command that only reads ends at once. A command with worker processes first
stops them; the second Ctrl-C ends it at once, and the workers notice that it is gone.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

__all__ = ["INTERRUPTED", "end_at_once", "end_gracefully", "ignore_more", "line", "reset", "was_interrupted"]

# The exit code of a command that a signal ended, as shells report it: 128 + SIGINT.
INTERRUPTED = 130

_line = "stopped"
_active = False
_interrupted = False


def end_at_once() -> None:
    """From now on, Ctrl-C ends the process. Only for the process of a command: a library must not change signal handlers."""
    global _active
    # A shell that starts a command in the background lets it ignore Ctrl-C; that stays.
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)
        _active = True


def end_gracefully(text: str) -> None:
    """From now on, the first Ctrl-C raises `KeyboardInterrupt`, the next ends the process. `text` is the last line."""
    global _line
    _line = text
    if _active:
        signal.signal(signal.SIGINT, _raise)


def reset() -> None:
    """Forget the last line of an earlier command in this process."""
    global _line
    _line = "stopped"


def ignore_more() -> None:
    """The last line is about to be printed and the command ends: another Ctrl-C must not print it twice."""
    if _active:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def line() -> str:
    """The last line of an interrupted command."""
    return _line


def was_interrupted() -> bool:
    """Whether Ctrl-C was pressed: an error after it is a consequence (an import that did not finish)."""
    return _interrupted


def _end(signal_number: int, frame: FrameType | None) -> None:
    os.write(2, f"\ndynamark: {_line}\n".encode())
    os._exit(INTERRUPTED)


def _raise(signal_number: int, frame: FrameType | None) -> None:
    global _interrupted
    _interrupted = True
    signal.signal(signal.SIGINT, _end)
    raise KeyboardInterrupt
