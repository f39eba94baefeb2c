"""The page."""

from typing import Any


def page(frame: Any, family: str | None) -> str:
    """To come."""
    raise NotImplementedError
