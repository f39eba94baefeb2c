"""Helpers of the tests: suites on the fly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

PLUGINS = Path(__file__).parent / "plugins"
WALK = f"{PLUGINS}/walk.py:Walk"
LINE = f"{PLUGINS}/walk.py:Line"
DRAWN = f"{PLUGINS}/walk.py:Drawn"
FAULTY = f"{PLUGINS}/faulty.py:Faulty"


def write_suite(
    path: Path, methods: Sequence[str], tasks: Sequence[str] = (WALK,), seeds: int = 2, tier: str = "tiny"
) -> str:
    """A suite file; its name."""
    path.write_text(
        f'about = "a test"\ntier = "{tier}"\nseeds = {seeds}\n\n[[runs]]\n'
        f"tasks = {json.dumps(list(tasks))}\nmethods = {json.dumps(list(methods))}\n"
    )
    return str(path)
