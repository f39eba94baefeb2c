"""Links between the Markdown files lead somewhere, as a forge resolves them; `mkdocs build --strict` checks the site's own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import dynamark
from dynamark.runners.plan.board import board_names
from dynamark.runners.plan.suite import suite_names

ROOT = Path(__file__).parents[1]
_CODE = re.compile(r"^```.*?^```|^    .*?$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def texts() -> Iterator[tuple[Path, str]]:
    """Every page with its text, notebooks included."""
    for pattern in ("*.md", "docs/*.md", "leaderboard/*.md"):
        yield from ((path, path.read_text()) for path in sorted(ROOT.glob(pattern)))
    for path in sorted(ROOT.glob("docs/notebooks/*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        yield path, "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def anchors(text: str) -> set[str]:
    """The anchors of the headings, as a forge makes them: small letters, hyphens for blanks, no other signs."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def broken() -> Iterator[str]:
    """The links that lead nowhere."""
    for path, text in texts():
        for link in _LINK.findall(_CODE.sub("", text)):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            if not target.exists():
                yield f"{path.relative_to(ROOT)}: {link} does not exist"
            elif anchor and anchor not in anchors(target.read_text()):
                yield f"{path.relative_to(ROOT)}: {link} has no such heading"


def test_no_link_is_broken() -> None:
    assert list(broken()) == []


def test_every_page_is_in_the_navigation() -> None:
    named = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    pages = {path.relative_to(ROOT).with_suffix(".md").as_posix() for path, _ in texts()}
    assert named == pages | {"docs/commands.md"}  # which is made from the parsers


def test_the_reference_has_every_public_name() -> None:
    listed = re.findall(r"^::: dynamark\.(\w+)$", (ROOT / "docs" / "reference.md").read_text(), re.MULTILINE)
    assert sorted([*listed, "__version__"]) == sorted(dynamark.__all__)


def test_suites_that_commands_name_exist() -> None:
    """The suite of every `dynamark run` and `dynamark slurm` of a page, if it is neither a file nor a word in capitals."""
    known = {*board_names(), *suite_names()}
    named = {
        (path.name, name)
        for path, text in texts()
        for name in re.findall(r"""dynamark"?[ ,]+"?(?:run|slurm)"?[ ,]+"?([a-z][\w/.-]*)""", text)
        if not name.endswith(".toml")
    }
    assert len(named) > 5
    assert sorted((page, name) for page, name in named if name not in known) == []
