"""The papers behind claims, read from leaderboard/papers.bib: authors, year, title and a link."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib import resources

__all__ = ["Paper", "bibliography", "paper_of"]

_ACCENTS = {
    r'{\"o}': "ö", r'{\"u}': "ü", r'{\"a}': "ä", r"{\'e}": "é", r"{\'c}": "ć", r"{\ss}": "ß", r"{\o}": "ø",
}  # fmt: skip


@dataclass(frozen=True)
class Paper:
    """A reference.

    link: of the DOI, of arXiv or of the publisher; "" where none is known.
    uncovered: what the abstract states and no task, method or claim here measures.
    """

    authors: str
    year: str
    title: str
    link: str = ""
    uncovered: str = ""

    @property
    def short(self) -> str:
        """Authors and year, for a table of the terminal."""
        return f"{self.authors} {self.year}".strip()

    def __str__(self) -> str:
        named = f"{self.authors} ({self.year}), {self.title}" if self.year else self.title
        return f"{named}, {self.link}" if self.link else named

    @property
    def markdown(self) -> str:
        """The reference with its link."""
        title = f"[{self.title}]({self.link})" if self.link else self.title
        return f"{self.authors} ({self.year}), {title}" if self.year else title


def paper_of(key: str) -> Paper:
    """The reference of a claim: of a BibTeX key, of "dynamark" (a claim of our own), or of a reference in words."""
    if key == "dynamark":
        return Paper("this benchmark", "", "this benchmark")
    return bibliography().get(key) or Paper(key, "", key)


@functools.cache
def bibliography() -> dict[str, Paper]:
    """Every entry of leaderboard/papers.bib, by its key."""
    text = (resources.files("dynamark.leaderboards") / "papers.bib").read_text(encoding="utf-8")
    return {key: _paper(entry) for key, entry in re.findall(r"^@\w+\{(\w+),(.*?)^\}", text, re.MULTILINE | re.DOTALL)}


def _paper(entry: str) -> Paper:
    fields = dict(re.findall(r"^\s*(\w+) = \{(.*)\},?$", entry, re.MULTILINE))
    return Paper(
        _authors(fields.get("author", "")),
        fields.get("year", ""),
        _plain(fields.get("title", "")),
        _link(fields),
        _plain(fields.get("uncovered", "")),
    )


def _link(fields: dict[str, str]) -> str:
    if "doi" in fields:
        return f"https://doi.org/{fields['doi']}"
    if match := re.search(r"arXiv:(\d{4}\.\d{4,5}|[a-z-]+/\d{7})", " ".join(fields.values())):
        return f"https://arxiv.org/abs/{match.group(1)}"
    return f"https://arxiv.org/abs/{fields['eprint']}" if "eprint" in fields else fields.get("url", "")


def _authors(names: str) -> str:
    """Family names; of more than three the first, and others."""
    families = [_plain(name.partition(",")[0] if "," in name else name.split(" ")[-1]) for name in names.split(" and ")]
    if len(families) > 3 or families[-1] == "others":
        return f"{families[0]} et al."
    return " and ".join(filter(None, [", ".join(families[:-1]), families[-1]]))


def _plain(text: str) -> str:
    """LaTeX accents as letters, and without braces."""
    for written, letter in _ACCENTS.items():
        text = text.replace(written, letter)
    return re.sub(r"[{}]", "", text).replace("--", "–").strip()
