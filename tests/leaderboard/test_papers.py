"""The bibliography: every key that a method, a task or a claim names is in it, once."""

from __future__ import annotations

import re
from pathlib import Path

from dynamark.runners.claims.catalog import shipped_claims

ROOT = Path(__file__).parents[2]
BIB = (ROOT / "leaderboard" / "papers.bib").read_text()
KEYS = re.findall(r"^@\w+\{([^,]+),", BIB, re.MULTILINE)


def test_entries_are_whole_and_their_keys_differ() -> None:
    entries = re.split(r"^(?=@)", BIB, flags=re.MULTILINE)[1:]
    assert len(KEYS) == len(set(KEYS)) == len(entries)
    for entry in entries:
        assert entry.count("{") == entry.count("}"), entry
        for field in ("author", "title", "year"):
            assert f"{field} = {{" in entry, entry


def test_methods_and_tasks_name_keys_that_exist() -> None:
    named = {
        (key, path.name)
        for folder in ("methods", "tasks")
        for path in (ROOT / folder).rglob("*.py")
        for key in re.findall(r"^\s+key: (\w+)$", path.read_text(), re.MULTILINE)
    }
    assert len(named) > 10
    assert not {(key, name) for key, name in named if key not in KEYS}


def test_claims_name_keys_that_exist() -> None:
    papers = {listed.claim.paper for listed in shipped_claims().values()}
    assert papers - {"dynamark"} <= set(KEYS)
