"""The page as a whole. The same rows make the same bytes."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from dynamark.leaderboards.page.cards import method_card, task_card
from dynamark.leaderboards.page.claims import claims_section
from dynamark.leaderboards.page.curves import curves_of
from dynamark.leaderboards.page.glance import glance
from dynamark.leaderboards.page.links import Links
from dynamark.leaderboards.page.markup import TITLES, accent, counted, escape, table_id, title
from dynamark.leaderboards.page.pareto import pareto
from dynamark.leaderboards.page.sources import Sources
from dynamark.leaderboards.page.standings import overall, standings
from dynamark.leaderboards.table import Table, tables

if TYPE_CHECKING:
    import pandas

    from dynamark.runners.claims.verdicts import Evaluation

__all__ = ["page"]

# Machines that the foot of the page names, those of most runs first.
_MACHINES = 4


def page(
    frame: pandas.DataFrame,
    family: str | None = None,
    evaluations: Sequence[Evaluation] = (),
    methods: Mapping[str, str] | None = None,
    figures: Mapping[str, str] | None = None,
) -> str:
    """The whole page for gathered rows and for the claims evaluated on them, as one HTML file that loads nothing.

    methods: where the source of each method is, for the cards. figures: of measurements of claims, by the key of their row.
    """
    made = tables(frame, family)
    if family is not None:
        frame = frame[(frame["family"] == family).to_numpy()]
    links, sources = Links(frame), Sources(methods or {})
    style, script, whole = (_asset(f"page.{kind}") for kind in ("css", "js", "html"))
    claims = claims_section(evaluations, figures)
    sections = _grouped(made)
    parts = {
        "style": style,
        "script": script,
        # Nothing else may run, whatever a name contrives. The browser hashes the element's whole text.
        "script_digest": base64.b64encode(hashlib.sha256(f"\n{script}".encode()).digest()).decode(),
        "tiles": _tiles(frame),
        "names": "".join(_named(own[0], made) for own in sections) + ('<a href="#claims">Claims</a>' if claims else ""),
        "glance": glance(sections, evaluations),
        "sections": "".join(_section(own, made, frame, links, sources) for own in sections) or _EMPTY,
        "methods": claims + _methods(made, frame, sources),
        "count": f"{len(frame):,}",
        "digest": _digest(frame),
        "machines": _machines(frame),
        "replaced": _replaced(frame),
        "data": links.data(),
    }
    return Template(whole).substitute(parts)


def _grouped(made: Sequence[Table]) -> list[list[Table]]:
    """The tables of each section: one family (or all of them), tier and salt."""
    groups: dict[tuple[str, str, str], list[Table]] = {}
    for table in made:
        groups.setdefault((table.family, table.tier, table.salt), []).append(table)
    return list(groups.values())


_EMPTY = "<p>No rows yet; <code>dynamark run quick</code> makes some.</p>"


def _asset(name: str) -> str:
    return (resources.files("dynamark.leaderboards") / "assets" / name).read_text(encoding="utf-8")


def _digest(frame: pandas.DataFrame) -> str:
    return hashlib.sha256("\n".join(sorted(frame["key"] + "@" + frame["finished"])).encode()).hexdigest()[:16]


def _replaced(frame: pandas.DataFrame) -> str:
    count = frame.attrs.get("replaced", 0)
    return f"Not shown: {counted(count, 'older run')}, replaced by newer source or versions. " if count else ""


def _machines(frame: pandas.DataFrame) -> str:
    """What the runs were done on and with: seconds mean something only there."""
    count: Counter[str] = Counter()
    for told in frame.get("provenance", ()):
        known = told or {}
        place = f"{known.get('processor') or 'an unknown processor'}, {counted(known.get('threads') or 0, 'thread')}"
        count[f"{place}, torch {known.get('torch')}, NumPy {known.get('numpy')}"] += 1
    shown = [
        f"{escape(place)} ({runs:,})" for place, runs in sorted(count.items(), key=lambda item: (-item[1], item[0]))
    ]
    more = f", and {len(shown) - _MACHINES} more" if len(shown) > _MACHINES else ""
    return f"Run on {'; '.join(shown[:_MACHINES])}{more}. " if shown else ""


def _tiles(frame: pandas.DataFrame) -> str:
    failed = int(frame["failed"].sum())
    told = {
        "methods": frame["method"].nunique(),
        "tasks": frame["task"].nunique(),
        "families": frame["family"].nunique(),
        "runs": len(frame),
        "failed runs": failed,
    }
    return "".join(f"<div><dt>{name}</dt><dd>{count:,}</dd></div>" for name, count in told.items())


def _named(table: Table, made: Sequence[Table]) -> str:
    return f'<a href="#{table_id(table, True)}" class="{accent(table.family)}">{escape(_short(table, made))}</a>'


def _short(table: Table, made: Sequence[Table]) -> str:
    """A table's name in the navigation: its tier only where there are several."""
    words = title(table.family) + (f" {table.tier}" if len({t.tier for t in made}) > 1 else "")
    return words + (f" (salt {table.salt})" if table.salt else "")


def _section(
    own: Sequence[Table], made: Sequence[Table], frame: pandas.DataFrame, links: Links, sources: Sources
) -> str:
    """The tables of one family, tier and salt, each with what it costs; then the cards of all their tasks."""
    first = own[0]
    salt = f", salt {first.salt}" if first.salt else ""
    head = f"<h2>{escape(title(first.family))} <small>{escape(first.tier + salt)}</small></h2>"
    about = f"<p>{escape(TITLES.get(first.family, ('', ''))[1])}</p>"
    families = [t for t in made if (t.tier, t.salt) == (first.tier, first.salt) and t.family != "overall"]
    parts = []
    for place, table in enumerate(own):
        shown = overall(table, families) if table.family == "overall" else standings(table, links)
        named = f'<h3 id="{table_id(table)}">{escape(table.track)}</h3>' if table.track else ""
        parts.append(named * bool(place or table.family == "overall") + shown + _plots(table))
    cards = "" if first.family == "overall" else _cards(own, frame, links, sources)
    opening = f'<section id="{table_id(first, True)}" class="{accent(first.family)}">'
    return f"{opening}{head}{about}{''.join(parts)}{cards}</section>\n"


def _plots(table: Table) -> str:
    plots = "".join(
        f"<figure><figcaption>{caption}</figcaption>{chart}</figure>"
        for what, caption in (("fit_seconds", "skill against time"), ("parameters", "skill against size"))
        if (chart := pareto(table, what))  # type: ignore[arg-type]
    )
    return f'<div class="plots">{plots}</div>' if plots else ""


def _cards(own: Sequence[Table], frame: pandas.DataFrame, links: Links, sources: Sources) -> str:
    first = own[0]
    chosen = (frame["family"] == first.family) & (frame["tier"] == first.tier) & (frame["salt"] == first.salt)
    curves = curves_of(frame[chosen.to_numpy()])
    cards = (task_card(t, table, curves.get(t.name, {}), links, sources) for table in own for t in table.tasks)
    return f'<h3>Tasks</h3><div class="cards">{"".join(cards)}</div>'


def _methods(made: Sequence[Table], frame: pandas.DataFrame, sources: Sources) -> str:
    if not len(frame):
        return ""
    cards = []
    codes = frame["method"].to_numpy(dtype=object)
    for name in sorted(set(codes), key=str.lower):
        places = [(t, s) for t in made for s in t.standings if s.method == name]
        cards.append(method_card(str(name), places, frame[codes == name], sources))
    return f'<section id="methods"><h2>Methods</h2><div class="cards">{"".join(cards)}</div></section>'
