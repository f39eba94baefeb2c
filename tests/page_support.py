"""Pages for tests: rows with curves, the page that they make, and its elements read by a parser."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from synthetic import row, store

from dynamark.leaderboards.assemble import leaderboard

HOSTILE = "</script><script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">'\"><b>"


def curve(name: str, seed: int, length: int = 128) -> dict[str, Any]:
    axis = np.arange(1.0, length + 1)
    return {"name": name, "axis": axis.tolist(), "values": (axis * (1 + 0.1 * seed)).tolist()}


def filled(methods: tuple[str, ...] = ("gd", "persistence", "mine.py:Mine"), seeds: int = 3) -> list[dict[str, Any]]:
    rows = []
    for i, method in enumerate(methods):
        for task in ("chaos/lorenz63", "sensing/psd"):
            for seed in range(seeds):
                curves = [curve("error_by_time", seed), *(curve(n, 0, 9) for n in ("attractor", "attractor_true"))]
                curves += [curve("eigenvalues", 0, 3), curve("singular_values", 0, 4)]
                cost = {"fit_seconds": 10.0**i, "parameters": 100 // (i + 1), "curves": curves}
                rows.append(row(method, task, seed, (0.1 + seed / 10) * 2**i, **cost))
    rows.append(row("gd", "chaos/rossler", 0, None, reason="SIGSEGV <b>"))
    return rows


def page_of(folder: Path, rows: list[dict[str, Any]]) -> str:
    return leaderboard(store(folder / "store", rows)).to_text("html")


class Outline(HTMLParser):
    """Every element's attributes; and whether elements close in order."""

    VOID = frozenset({"meta", "input", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(text: str) -> Outline:
    parsed = Outline()
    parsed.feed(text)
    assert parsed.open == []
    return parsed
