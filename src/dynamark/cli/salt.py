"""The salt on the command line: taken out of it, where every process could read it."""

from __future__ import annotations

import sys

__all__ = ["secret"]


def secret(text: str) -> str:
    """The salt that an argument gives; `-` stands for the first line of stdin."""
    from dynamark.errors import UserError
    from dynamark.runners.execute.secrets import hide_argument

    if text != "-":
        hide_argument(text)
        return text
    salt = sys.stdin.readline().rstrip("\r\n")
    if not salt:
        raise UserError("no salt on stdin; write for example: dynamark run quick --salt - < salt.txt")
    return salt
