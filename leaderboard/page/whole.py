"""The page as a whole. The same rows make the same bytes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from dynamark.leaderboard.page.cards import method_card, task_card
from dynamark.leaderboard.page.claims import claims_section
from dynamark.leaderboard.page.links import Links
from dynamark.leaderboard.page.markup import accent, counted, escape, table_id
from dynamark.leaderboard.page.plots import curves_of, pareto
from dynamark.leaderboard.page.standings import overall, standings
from dynamark.leaderboard.table import Table, tables

if TYPE_CHECKING:
    import pandas

    from dynamark.leaderboard.claims.verdicts import Judged

__all__ = ["page"]

_TITLES = {
    "sensing": ("Matrix sensing", "recover a low-rank matrix from few measurements"),
    "lds": ("Linear systems", "predict the outputs of linear dynamical systems"),
    "koopman": ("Koopman", "forecast nonlinear flows by linear operators"),
    "chaos": ("Chaos", "reconstruct strange attractors from one trajectory"),
    "overall": ("Overall", "methods that ran in at least two families"),
}


def page(frame: pandas.DataFrame, family: str | None = None, judged: Sequence[Judged] = ()) -> str:
    """The whole page for gathered rows and for the claims judged on them, as one HTML file that loads nothing."""
    made = tables(frame, family)
    if family is not None:
        frame = frame[(frame["family"] == family).to_numpy()]
    links = Links(frame)
    style, script, whole = (_asset(f"page.{kind}") for kind in ("css", "js", "html"))
    claims = claims_section(judged)
    parts = {
        "style": style,
        "script": script,
        # Nothing else may run, whatever a name contrives. The browser hashes the element's whole text.
        "script_digest": base64.b64encode(hashlib.sha256(f"\n{script}".encode()).digest()).decode(),
        "tiles": _tiles(frame),
        "names": "".join(_named(table, made) for table in made) + ('<a href="#claims">Claims</a>' if claims else ""),
        "sections": "".join(_section(table, made, frame, links) for table in made) or _EMPTY,
        "methods": claims + _methods(made, frame),
        "count": f"{len(frame):,}",
        "digest": _digest(frame),
        "replaced": _replaced(frame),
        "data": links.data(),
    }
    return Template(whole).substitute(parts)


_EMPTY = "<p>No rows yet; <code>dynamark run quick</code> makes some.</p>"


def _asset(name: str) -> str:
    return (resources.files("dynamark.leaderboard") / "assets" / name).read_text(encoding="utf-8")


def _digest(frame: pandas.DataFrame) -> str:
    return hashlib.sha256("\n".join(sorted(frame["key"] + "@" + frame["finished"])).encode()).hexdigest()[:16]


def _replaced(frame: pandas.DataFrame) -> str:
    count = frame.attrs.get("replaced", 0)
    return f"Not shown: {counted(count, 'older run')}, replaced by newer source or versions. " if count else ""


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


def _name(family: str) -> str:
    return _TITLES[family][0] if family in _TITLES else family


def _named(table: Table, made: Sequence[Table]) -> str:
    return f'<a href="#{table_id(table)}" class="{accent(table.family)}">{escape(_short(table, made))}</a>'


def _short(table: Table, made: Sequence[Table]) -> str:
    """A table's name in the navigation: its tier only where there are several."""
    words = _name(table.family) + (f" {table.tier}" if len({t.tier for t in made}) > 1 else "")
    return words + (f" (salt {table.salt})" if table.salt else "")


def _section(table: Table, made: Sequence[Table], frame: pandas.DataFrame, links: Links) -> str:
    about = _TITLES.get(table.family, ("", ""))[1]
    salt = f", salt {table.salt}" if table.salt else ""
    head = (
        f'<section id="{table_id(table)}" class="{accent(table.family)}">'
        f"<h2>{escape(_name(table.family))} <small>{escape(table.tier + salt)}</small></h2><p>{escape(about)}</p>"
    )
    plots = "".join(
        f"<figure><figcaption>{caption}</figcaption>{chart}</figure>"
        for what, caption in (("fit_seconds", "skill against time"), ("parameters", "skill against size"))
        if (chart := pareto(table, what))  # type: ignore[arg-type]
    )
    plots = f'<div class="plots">{plots}</div>' if plots else ""
    if table.family == "overall":
        families = [t for t in made if t.tier == table.tier and t.salt == table.salt and t is not table]
        return f"{head}{overall(table, families)}{plots}</section>\n"
    rows = frame[
        ((frame["family"] == table.family) & (frame["tier"] == table.tier) & (frame["salt"] == table.salt)).to_numpy()
    ]
    curves = curves_of(rows)
    cards = "".join(task_card(task, table, curves.get(task.name, {}), links) for task in table.tasks)
    return f'{head}{standings(table, links)}{plots}<h3>Tasks</h3><div class="cards">{cards}</div></section>\n'


def _methods(made: Sequence[Table], frame: pandas.DataFrame) -> str:
    if not len(frame):
        return ""
    cards = []
    codes = frame["method"].to_numpy(dtype=object)
    for name in sorted(set(codes), key=str.lower):
        places = [(t, s) for t in made for s in t.standings if s.method == name]
        cards.append(method_card(str(name), places, frame[codes == name]))
    return f'<section id="methods"><h2>Methods</h2><div class="cards">{"".join(cards)}</div></section>'
