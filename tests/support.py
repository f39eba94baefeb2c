"""Helpers of the tests: suites on the fly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dynamark.runners.plan.suite import Entry
from dynamark.runners.spec import Spec, parse

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


def specs(*texts: str) -> tuple[Spec, ...]:
    """The specs of texts."""
    return tuple(map(parse, texts))


def entry(tasks: Sequence[str], methods: Sequence[str], *rest: Any, **more: Any) -> Entry:
    """An entry of a suite, its specs given as texts."""
    return Entry(specs(*tasks), specs(*methods), *rest, **more)
