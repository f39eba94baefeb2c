"""Folders that dynamark uses outside the repository."""

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """The cache folder: $DYNAMARK_CACHE, else `dynamark` in the user's cache folder ($XDG_CACHE_HOME or ~/.cache)."""
    root = os.environ.get("DYNAMARK_CACHE")
    if root:
        return Path(root)
    return Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache") / "dynamark"


def _home() -> Path:
    """The user's home; a folder for temporary files where the user has none (a container with an unknown user)."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"dynamark-{os.getuid()}"
