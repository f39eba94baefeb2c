"""Which process wrote a file, and whether it is provably gone.

A process is named by the machine it runs on (host name, boot and process namespace), its number and its start time: a number
alone is given out again.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import socket
from pathlib import Path

__all__ = ["PROCESS", "is_gone", "this_process"]

# `host~digest-pid-start`, as a part of a file name.
PROCESS = re.compile(r"[A-Za-z0-9_.]+~[0-9a-f]{10}-\d+-\d+")


def this_process() -> str:
    """The name of this process, different from that of every other process on any machine."""
    pid = os.getpid()
    return f"{_place()}-{pid}-{_start(pid)}"


def is_gone(process: str) -> bool:
    """Whether a process has ended for certain; nothing is known of one of another machine, or of before a reboot."""
    if not PROCESS.fullmatch(process):
        return False
    place, pid, start = process.rsplit("-", 2)
    return place == _place() and _start(int(pid)) != int(start)


@functools.cache
def _place() -> str:
    host = re.sub(r"[^A-Za-z0-9_.]+", "_", socket.gethostname())[:40] or "host"
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        boot = namespace = ""
    words = "/".join((socket.gethostname(), boot, namespace))
    return f"{host}~{hashlib.sha256(words.encode()).hexdigest()[:10]}"


def _start(pid: int) -> int:
    """When a process started, in clock ticks since the boot; 0 where there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return 0 if fields[0] in "ZX" else int(fields[19])
    except (OSError, IndexError, ValueError):
        return 0
