"""The docstrings of dynamark as Markdown: `name: meaning` becomes a list of definitions, and mathematics stays as written."""

from __future__ import annotations

import re
from typing import Any

import griffe

# A name or several, a colon, and text; further lines are indented.
_DEFINED = re.compile(r"^(\w+(?:, \w+)*): (.*)$")


class Docstrings(griffe.Extension):
    """Rewrites each docstring when it is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for every module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(docstring: str) -> str:
    """The docstring as Markdown."""
    return "\n\n".join(_paragraph(part) for part in re.split(r"\n\s*\n", docstring.strip()))


def _paragraph(text: str) -> str:
    lines = text.splitlines()
    if not _DEFINED.match(lines[0]):
        if lines[0].startswith("    "):  # a formula, set off by its indentation
            return text
        return escaped(" ".join(line.strip() for line in lines))
    items: list[list[str]] = []
    for line in lines:
        if match := _DEFINED.match(line):
            items.append([match[1], match[2]])
        else:
            items[-1][1] += f" {line.strip()}"
    return "\n\n".join(f"{_code(names)}\n:   {escaped(meaning)}" for names, meaning in items)


def _code(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", "))


def escaped(text: str) -> str:
    """The text with the characters escaped that are special in Markdown, except inside `code`."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([\\*_<>\[\]|~])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)
