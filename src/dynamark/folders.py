"""Folders that dynamark uses outside the repository."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """The cache folder: $DYNAMARK_CACHE, else `dynamark` in the user's cache folder ($XDG_CACHE_HOME or ~/.cache)."""
    root = os.environ.get("DYNAMARK_CACHE")
    if root:
        return Path(root)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dynamark"
