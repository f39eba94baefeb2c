"""The script of a Slurm job array that runs a suite in shards, as many as their predicted seconds need."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from dynamark.errors import UserError

__all__ = ["Array", "array", "script"]

# The part of the time limit that shards are planned for: the seconds come from other machines.
_SHARE = 0.7
# Seconds of a task of the array before its first run: imports, plan, worker processes.
_START = 30.0


@dataclass(frozen=True)
class Array:
    """A number of shards, the predicted seconds of the longest, and whether it fits into the time limit."""

    shards: int
    longest: float
    fits: bool


def array(seconds: Sequence[float], hours: float, cores: int) -> Array:
    """The fewest shards that all fit into `hours`; one cohort each where none do.

    seconds: predicted seconds of each cohort on one core.
    """
    if not 0 < hours <= 10_000:
        raise UserError(f"invalid hours {hours:g}: expected a number greater than 0, at most 10000")
    room = max(0.0, hours * 3600 * _SHARE - _START)
    first = max(1, int(sum(seconds) / cores / room)) if room else len(seconds)
    for count in range(min(first, len(seconds)), len(seconds) + 1):
        longest = max(_wall(seconds[part::count], cores) for part in range(count))
        if longest <= room or count == len(seconds):
            break
    return Array(count, longest + _START, 0 < room >= longest)


def _wall(seconds: Sequence[float], cores: int) -> float:
    """Seconds of a shard whose cohorts run on so many cores: an upper bound of any order of work."""
    longest = max(seconds)
    return longest + (sum(seconds) - longest) / cores


def script(name: str, arguments: Sequence[str], shards: int, hours: float, cores: int, memory_gb: float) -> str:
    """The script. arguments: what `dynamark run` is given besides the shard, the workers and the memory."""
    minutes = max(1, round(hours * 60))
    command = shlex.join(["dynamark", "run", *arguments, "--workers", str(cores), "--memory-gb", f"{memory_gb:g}"])
    label = "".join(char if char.isalnum() or char in "-_" else "-" for char in name)
    return f"""#!/bin/bash
#SBATCH --job-name=dynamark-{label}
#SBATCH --array=1-{shards}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={cores}
#SBATCH --mem={max(1, round(memory_gb * cores * 1024))}M
#SBATCH --time={minutes // 60}:{minutes % 60:02}:00

# Submit it again after a failure: results that are in the folder are not run again.
exec {command} --shard "$SLURM_ARRAY_TASK_ID/{shards}" --quiet
"""
