"""What mkdocs does for this repository: pages lie at their own paths, notebooks and the commands become pages.

A file keeps its path in the repository, so that relative links need no change: `docs/gate.md` links to `../CONTRIBUTING.md`
both on the site and on a forge.
"""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
# What the site holds, besides what is generated below.
HOLDS = (
    *("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"),
    *("CITATION.cff", "leaderboard/README.md", "docs/*.md", "docs/*.png", "docs/notebooks/*.ipynb"),
    *("docs/site/style.css", "docs/site/iframe-worker.js"),
)
_LOADS = re.compile(
    r'<(?:script|img|iframe|source)\b[^>]*\bsrc="(?:https?:)?//[^>]*>|<link\b[^>]*\bhref="(?:https?:)?//[^>]*>'
)
PAGE = "leaderboard/page.html"
_WHOLE = """# Leaderboard

[The leaderboard as one interactive page](page.html) also has costs, curves, pictures of the tasks and the single runs.
[Statistics](../docs/statistics.md) defines every number.

"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The theme's files, those of the repository at their own paths, and the generated ones."""
    theme = [file for file in files if file.src_dir != config.docs_dir]
    paths = [path for pattern in HOLDS for path in sorted(ROOT.glob(pattern))]
    own = [File(str(path.relative_to(ROOT)), str(ROOT), config.site_dir, False) for path in paths]
    books = [path for path in paths if path.suffix == ".ipynb"]
    own += [
        File.generated(config, str(path.relative_to(ROOT).with_suffix(".md")), content=notebook(path)) for path in books
    ]
    own.append(File.generated(config, "docs/commands.md", content=commands()))
    own.append(File.generated(config, PAGE, content=leaderboard_page()))
    return Files([*theme, *own])


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Names of files become titles of code, links to notebooks lead to their pages, and the tables lead to the whole page."""
    if page.file.src_uri == "README.md":
        page.meta["hide"] = ["navigation"]  # a list of one page
    if page.file.src_uri == "leaderboard/README.md":
        markdown = _WHOLE + markdown
    titled = re.sub(r"^```(\w+) file=(\S+)$", r'```\1 title="\2"', markdown, flags=re.MULTILINE)
    return re.sub(r"(\]\([^)\s]+)\.ipynb\)", r"\1.md)", titled)


def notebook(path: Path) -> str:
    """A notebook as Markdown: texts, code, and what the code shows."""
    parts = []
    for cell in json.loads(path.read_text())["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        parts += [shown for output in cell.get("outputs", ()) if (shown := _output(output))]
    return "\n\n".join([*parts, f"This page is the notebook [{path.name}]({path.name}?download)."]) + "\n"


def _output(output: dict[str, Any]) -> str:
    """An output of a cell: its HTML where it has some, or its text."""
    data = output.get("data", {})
    if html := "".join(data.get("text/html", "")):
        return f'<div class="output" markdown="0">{html}</div>'
    text = "".join(output.get("text") or data.get("text/plain", ""))
    return f"```text\n{text.rstrip()}\n```" if text else ""


def commands() -> str:
    """The help of every command."""
    os.environ["COLUMNS"] = "100"  # the same text on every terminal
    from dynamark.cli import parser_of
    from dynamark.cli.examples import leaves

    parts, group = ["# Commands", "What `dynamark COMMAND --help` prints."], ""
    for name, parser in leaves(parser_of(None), "dynamark"):
        command, verb, *rest = name.split()
        if rest and verb != group:
            parts.append(f"## {command} {verb}")
        parts += [f"{'###' if rest else '##'} {name}", f"```text\n{parser.format_help().rstrip()}\n```"]
        group = verb
    return "\n\n".join(parts) + "\n"


def on_post_build(config: MkDocsConfig) -> None:
    """Pages load nothing from elsewhere: they can be read from disk, and nobody learns who reads them."""
    for path in sorted(Path(config.site_dir).rglob("*.html")):
        if found := _LOADS.search(path.read_text()):
            raise PluginError(f"{path.relative_to(config.site_dir)} loads something from elsewhere: {found[0]}")


@cache
def leaderboard_page() -> str:
    """The leaderboard page of the published results."""
    os.environ["DYNAMARK_STORE"] = str(ROOT / "nowhere")  # the published results alone
    import dynamark

    return dynamark.leaderboard().to_html()
