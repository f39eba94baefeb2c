"""Options that several verbs have."""

from __future__ import annotations

import argparse

__all__ = ["add_engine", "add_memory", "add_sensitivity", "add_timeout", "add_workers"]


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add --workers."""
    parser.add_argument(
        "--workers", type=int, metavar="N", help="number of parallel workers (default: number of cores)"
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add --engine."""
    about = (
        "local: isolated processes with limits; inline: this process, no limits; or an engine of another package, as "
        "NAME or 'NAME(option=value)' (default: %(default)s)"
    )
    parser.add_argument("--engine", default="local", metavar="NAME", help=about)


def add_timeout(parser: argparse.ArgumentParser, default: float = 600.0) -> None:
    """Add --timeout."""
    about = "time limit per run in seconds (default: %(default)g)"
    parser.add_argument("--timeout", type=float, default=default, metavar="S", help=about)


def add_memory(parser: argparse.ArgumentParser) -> None:
    """Add --memory-gb."""
    about = "memory limit per worker in GiB (default: %(default)g)"
    parser.add_argument("--memory-gb", type=float, default=8.0, metavar="G", help=about)


def add_sensitivity(parser: argparse.ArgumentParser, level: str) -> None:
    """Add the options of the gate's test. level: what --level bounds the probability of."""
    add = parser.add_argument
    about = "smallest relative change of a score that counts as a regression (default: %(default)g)"
    add("--effect", type=float, default=0.02, metavar="X", help=about)
    about = "smallest ratio of run times that counts as a slowdown (default: %(default)g)"
    add("--slowdown", type=float, default=1.6, metavar="X", help=about)
    add("--level", type=float, default=0.01, metavar="P", help=f"probability of {level} (default: %(default)g)")
