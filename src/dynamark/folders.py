"""Folders outside the repository that dynamark uses."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where caches lie: $DYNAMARK_CACHE, else dynamark/ below the user's cache folder."""
    root = os.environ.get("DYNAMARK_CACHE")
    if root:
        return Path(root)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dynamark"
