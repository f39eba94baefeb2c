"""The bibliography: every key that a method, a task or a claim names is in it, once."""

from __future__ import annotations

import re
from pathlib import Path

from dynamark.runners.claims.catalog import shipped_claims
from dynamark.runners.claims.literature import papers_page, uses_of_papers
from dynamark.runners.claims.papers import bibliography

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
        for line in re.findall(r"^\s+key: ([\w, ]+)$", path.read_text(), re.MULTILINE)
        for key in line.split(", ")
    }
    assert len(named) > 10
    assert not {(key, name) for key, name in named if key not in KEYS}


def test_claims_name_keys_that_exist() -> None:
    papers = {listed.claim.paper for listed in shipped_claims().values()}
    assert papers - {"dynamark"} <= set(KEYS)


def test_every_paper_is_the_source_of_a_method_a_task_or_a_claim() -> None:
    uses = uses_of_papers()
    assert [key for key in KEYS if not uses[key]] == []
    assert uses["lorenz1963"].tasks == ["chaos/lorenz63"]
    assert "s4" in uses["gu2020"].methods
    assert "L25" in uses["gu2022"].claims


def test_the_page_of_papers_has_a_row_for_each_and_says_what_is_missing() -> None:
    rows = [line for line in papers_page().splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(KEYS)
    assert [row.count(" | ") for row in rows] == [4] * len(KEYS)
    with_claims = [key for key, uses in uses_of_papers().items() if uses.claims and key != "dynamark"]
    assert [key for key in with_claims if not bibliography()[key].uncovered] == []
