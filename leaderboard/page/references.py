"""The papers that cards and claims cite: each once, with its BibTeX entry."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dynamark.leaderboards.page.markup import escape, escape_lines, slug
from dynamark.leaderboards.page.sources import bibtex
from dynamark.runners.claims.papers import bibliography, paper_of

__all__ = ["cited", "references_section"]


def cited(key: str) -> str:
    """Authors and year, as a link to the reference; as they are for what is no key of the bibliography."""
    paper = paper_of(key)
    if key not in bibliography():
        return f"<code>{escape(key)}</code>" if key == paper.short else escape(paper.short)
    return f'<a href="#{slug("ref", key)}" title="{escape(paper.title)}">{escape(paper.short)}</a>'


def references_section(keys: Iterable[str]) -> str:
    """The papers of these keys by authors and year."""
    known = sorted(set(keys) & bibliography().keys(), key=lambda key: (paper_of(key).short.lower(), key))
    lines = "".join(f'<li id="{slug("ref", key)}">{_reference(key)}</li>' for key in known)
    return f'<section id="references"><h2>References</h2><ul class="references">{lines}</ul></section>' if lines else ""


def _reference(key: str) -> str:
    paper = paper_of(key)
    title = escape(paper.title)
    linked = f'<a href="{escape(paper.link)}" rel="noreferrer">{title}</a>' if paper.link else title
    # What this project leaves out of a paper is its own field.
    entry = escape_lines(re.sub(r",?\n\s*uncovered = \{.*\}", "", bibtex(key) or ""))
    return (
        f'{escape(paper.short)}, {linked} <details><summary>BibTeX</summary><pre class="bibtex">{entry}</pre></details>'
    )
