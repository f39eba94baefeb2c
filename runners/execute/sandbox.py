"""A sandbox for workers: user, mount, network and IPC namespaces of their own, without the folders that may hold the truth.

What the worker cannot see: the folders that are given (cached data, results), other processes (`/proc` is empty), any network.
The mounts are locked by a second user namespace, in which the worker then runs: it cannot take them away. Linux, where the kernel
lets users make namespaces; `python -m dynamark.runners.execute.sandbox` exits with 0 where it does.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

__all__ = ["enter", "works"]

_NEWNS, _NEWIPC, _NEWUSER, _NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x40000000
_MS_REC, _MS_PRIVATE = 1 << 14, 1 << 18
_NO_NEW_PRIVILEGES = 38


def enter(hidden: Iterable[str]) -> None:
    """Move this process, which must have one thread, into a sandbox in which these folders are empty. OSError if it cannot be."""
    user, group = os.getuid(), os.getgid()
    _unshare(_NEWUSER | _NEWNS | _NEWNET | _NEWIPC)
    _map(user, group)
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    here = Path.cwd()
    for folder in hidden:
        if Path(folder).is_dir():
            _mount("none", folder, "tmpfs", 0)
    _lock(user, group)
    os.chdir(here if here.is_dir() else "/")
    _libc().prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def _lock(user: int, group: int) -> None:
    """An empty /proc, then a namespace with fewer rights that inherits the mounts and cannot undo them."""
    process = os.open(f"/proc/{os.getpid()}", os.O_RDONLY | os.O_DIRECTORY)
    _mount("none", "/proc", "tmpfs", 0)
    _unshare(_NEWUSER | _NEWNS)
    _map(user, group, process)
    os.close(process)


def _map(user: int, group: int, process: int | None = None) -> None:
    """Keep user and group numbers. process: the folder of this process in /proc, open."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        path = name if process is not None else f"/proc/self/{name}"
        fd = os.open(path, os.O_WRONLY, dir_fd=process)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _unshare(flags: int) -> None:
    if _libc().unshare(flags):
        raise OSError(ctypes.get_errno(), "no namespace of its own")


def _mount(source: str | None, target: str, kind: str | None, flags: int) -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind)]
    if _libc().mount(*words, ctypes.c_ulong(flags), None):
        raise OSError(ctypes.get_errno(), "no mount of its own", target)


@cache
def works() -> bool:
    """Whether this machine lets a user make such a sandbox; tried in a process of its own."""
    if not sys.platform.startswith("linux"):
        return False
    command = [sys.executable, "-P", "-m", "dynamark.runners.execute.sandbox"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run(command, env=env, capture_output=True, timeout=60, check=False).returncode == 0


if __name__ == "__main__":
    enter([])
    sys.exit(0 if not os.listdir("/proc") else 1)  # noqa: PTH208
