"""What tasks and methods say of themselves: their docstrings and metrics, read from the source without importing it.

Where the source of a task is, its catalog says; where that of a method is, whoever asks for the page: this floor knows no
methods.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from dynamark.tasks import catalog
from dynamark.tasks.catalog import TASKS

__all__ = ["About", "Sources", "bibtex"]


@dataclass(frozen=True)
class About:
    """A docstring in parts: its equation, further paragraphs and key, and the fields that the catalog sets."""

    equation: str  # its first paragraph
    rest: tuple[str, ...]  # further paragraphs
    keys: tuple[str, ...]  # of BibTeX
    fields: str  # what the catalog sets differently, as text


class Sources:
    """The sources behind names. methods: from name to `module:Class(field=value, ...)`, as a catalog has it."""

    def __init__(self, methods: Mapping[str, str]) -> None:
        self._tables: dict[str, Mapping[str, str]] = {"task": TASKS, "method": methods}

    def about(self, kind: str, name: str) -> About | None:
        """What a "task" or "method" says of itself; None for those that no catalog has, whose source is elsewhere."""
        definition = self._find(kind, name)
        if definition is None:
            return None
        _, node, fields = definition
        text = ast.get_docstring(node) or ""
        keys = re.search(r"^key:(.*)$", text, re.MULTILINE)
        paragraphs = [p.strip() for p in re.sub(r"^key:.*$", "", text, flags=re.MULTILINE).split("\n\n") if p.strip()]
        first, *rest = paragraphs or [""]
        return About(first, tuple(rest), tuple(re.findall(r"\w+", keys.group(1))) if keys else (), fields)

    def metrics(self, task: str) -> dict[str, tuple[str, str]]:
        """Unit and meaning of each metric of a task, looked up along its base classes."""
        definition = self._find("task", task)
        if definition is None:
            return {}
        path, node, _ = definition
        for _ in range(8):  # no deeper line of ancestors is meant
            metrics = _metrics_of(node)
            if metrics:
                return metrics
            base = next((_resolve(path, b.id) for b in node.bases if isinstance(b, ast.Name)), None)
            if base is None:
                return {}
            path, node = base
        return {}

    def _find(self, kind: str, name: str) -> tuple[Path, ast.ClassDef, str] | None:
        """The file and class behind a name, and the fields that its catalog sets."""
        target = self._tables[kind].get(name.partition("(")[0])
        if target is None:
            return None
        where, bracket, fields = target.partition("(")
        module, _, cls = where.partition(":")
        path = _file(module)
        node = None if path is None else _classes(path).get(cls)
        return None if path is None or node is None else (path, node, (bracket + fields).strip("()"))


def _file(module: str) -> Path | None:
    head, *parts = module.split(".")
    path = Path(catalog.__file__).parents[1].joinpath(*parts).with_suffix(".py")
    return path if head == "dynamark" and path.is_file() else None


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def _classes(path: Path) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in _tree(path).body if isinstance(node, ast.ClassDef)}


def _resolve(path: Path, name: str) -> tuple[Path, ast.ClassDef] | None:
    """A class that a file defines or imports."""
    if name in _classes(path):
        return path, _classes(path)[name]
    for node in _tree(path).body:
        if isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names):
            file = _file(node.module or "")
            if file is not None and name in _classes(file):
                return file, _classes(file)[name]
    return None


def _metrics_of(node: ast.ClassDef) -> dict[str, tuple[str, str]]:
    """The `Metric(name, unit, about=...)` calls of a class body."""
    metrics = {}
    for item in node.body:
        target = item.target if isinstance(item, ast.AnnAssign) else None
        if not (isinstance(target, ast.Name) and target.id == "metrics") or item.value is None:  # type: ignore[attr-defined]
            continue
        for call in ast.walk(item.value):  # type: ignore[attr-defined]
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Metric":
                words = [a.value if isinstance(a, ast.Constant) else "" for a in call.args]
                named = {k.arg: k.value.value for k in call.keywords if isinstance(k.value, ast.Constant)}
                name, unit = ([*words, "", ""])[:2]
                metrics[str(named.get("name", name))] = (str(named.get("unit", unit)), str(named.get("about", "")))
    return metrics


@functools.cache
def _papers() -> dict[str, str]:
    text = (resources.files("dynamark.leaderboards") / "papers.bib").read_text(encoding="utf-8")
    entries = re.findall(r"^@\w+\{(\w+),.*?^\}", text, re.MULTILINE | re.DOTALL)
    whole = re.findall(r"^@\w+\{\w+,.*?^\}", text, re.MULTILINE | re.DOTALL)
    return dict(zip(entries, whole, strict=True))


def bibtex(key: str) -> str | None:
    """The entry of a key in leaderboard/papers.bib."""
    return _papers().get(key)
