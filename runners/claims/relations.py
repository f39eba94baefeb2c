"""Relations that a quantity must satisfy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["Above", "Below", "Between", "Relation"]


@runtime_checkable
class Relation(Protocol):
    """What a quantity must satisfy."""

    def holds(self, value: float) -> bool:
        """Whether a value of the quantity satisfies the relation."""
        ...

    def __str__(self) -> str: ...


@dataclass(frozen=True)
class Below:
    """value <= limit."""

    limit: float

    def holds(self, value: float) -> bool:
        """Whether the value is at most the limit."""
        return value <= self.limit

    def __str__(self) -> str:
        return f"≤ {self.limit:g}"


@dataclass(frozen=True)
class Above:
    """value >= limit."""

    limit: float

    def holds(self, value: float) -> bool:
        """Whether the value is at least the limit."""
        return value >= self.limit

    def __str__(self) -> str:
        return f"≥ {self.limit:g}"


@dataclass(frozen=True)
class Between:
    """low <= value <= high."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether the value lies between the limits."""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"in [{self.low:g}, {self.high:g}]"
