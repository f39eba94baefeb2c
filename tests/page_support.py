"""Pages for tests: rows with curves, the page that they make, and its elements read by a parser."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from synthetic import row, store

from dynamark.leaderboards.assemble import leaderboard
from dynamark.runners.plan.board import board_names, read_board

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


def file_of(folder: Path, rows: list[dict[str, Any]]) -> str:
    """The page as it is in its file."""
    return leaderboard(store(folder / "store", rows)).to_text("html")


def page_of(folder: Path, rows: list[dict[str, Any]]) -> str:
    """The page as a reader sees it."""
    return whole_page(file_of(folder, rows))


class Outline(HTMLParser):
    """Every element's attributes; and whether elements close in order."""

    VOID = frozenset({"meta", "input", "br", "wbr"})

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


def board_rows(names: Sequence[str] | None = None, curves: bool = False) -> list[dict[str, Any]]:
    """Rows of shipped boards (all by default): every method on every task and seed, of random quality and cost."""
    wild = np.random.default_rng(0)
    rows = []
    for board in map(read_board, board_names() if names is None else names):
        scale: dict[str, Any] = {"oracle": None} if board.name == "sensing/training" else {}
        for method in board.methods:
            quality, seconds = wild.uniform(), 10 ** wild.uniform(-3, 2)
            fields = "{}" if method in board.untuned else json.dumps({"one of": [{}, {"rate": 1}], "rate": 0})
            for task, seed in itertools.product(board.tasks, range(board.seeds)):
                value = float(10 * 1000 ** -(quality + 0.1 * wild.standard_normal()))
                cost = {"fit_seconds": seconds, "parameters": int(10 ** wild.uniform(1, 5))}
                more = {"curves": drawn(board.family, seed, wild)} if curves else {}
                more |= {"tier": board.tier, "budget": board.entries[0].budget, "method_fields": fields}
                rows.append(row(method, task, seed, value, suite=board.name, **scale, **cost, **more))
    return rows


# What rows of each family draw: the names of their curves, and their pictures with the number of points.
DRAWN: dict[str, tuple[list[str], dict[str, int]]] = {
    "sensing": (["error_by_steps", "error_by_passes", "effective_rank_by_steps"], {"singular_values": 24}),
    "lds": (["nmse_by_time"], {}),
    "koopman": (["nrmse", "residual_by_mode"], {"eigenvalues": 128}),
    "chaos": (["error_by_lyapunov_time"], {"attractor": 2000}),
    "recorded": (["nrmse_by_time"], {}),
}


def drawn(family: str, seed: int, wild: np.random.Generator) -> list[dict[str, Any]]:
    """Random walks as curves; pictures of the first seed only."""
    names, pictures = DRAWN[family]
    steps = np.exp(np.cumsum(0.15 * wild.standard_normal((len(names), 128)), axis=1))
    axis = np.arange(1.0, 129).tolist()
    result = [{"name": name, "axis": axis, "values": own.tolist()} for name, own in zip(names, steps, strict=True)]
    for name, length in pictures.items() if seed == 0 else ():
        for end in ("", "_true"):
            x, y = np.cumsum(wild.standard_normal((2, length)), axis=1).tolist()
            result.append({"name": f"{name}{end}", "axis": x, "values": y})
    return result


def data_of(text: str) -> dict[str, Any]:
    """What the script of a page reads: the content of the page, with its unpacked rows."""
    content = re.search(r'id="data">(.*?)</script>', text)[1]  # type: ignore[index]
    inside = unpacked(text, "inside")
    return {**json.loads(content), "rows": unpacked(text, "packed"), "wins": inside["wins"], "boards": inside["boards"]}


def unpacked(text: str, name: str) -> Any:
    """A compressed part of a page."""
    packed = re.search(rf'id="{name}">(.*?)</script>', text)[1]  # type: ignore[index]
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def whole_page(text: str) -> str:
    """A page with the inside of its elements put back, as its script does it."""
    inside = iter(unpacked(text, "inside")["elements"])
    empty = r'<(svg|pre|details|ul) class="(?:chart|map|bibtex|more|folded)"[^>]*>(?=</\1>)'
    text = re.sub(empty, lambda place: place[0] + next(inside), text)
    assert next(inside, None) is None
    return text
