"""The page as a whole. The same rows make the same bytes."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from dynamark.leaderboards.boards import BoardTable
from dynamark.leaderboards.page.board_cards import board_id
from dynamark.leaderboards.page.board_section import Shown, as_table, board_sections, family_id
from dynamark.leaderboards.page.cards import method_card, task_card
from dynamark.leaderboards.page.claims import claims_section
from dynamark.leaderboards.page.curves import curves_of
from dynamark.leaderboards.page.glance import glance
from dynamark.leaderboards.page.links import Links
from dynamark.leaderboards.page.markup import TITLES, accent, counted, escape, table_id, title
from dynamark.leaderboards.page.packing import emptied, pack
from dynamark.leaderboards.page.pareto import plots
from dynamark.leaderboards.page.picker import FactsOf, picker, picker_data
from dynamark.leaderboards.page.references import references_section
from dynamark.leaderboards.page.sources import Sources
from dynamark.leaderboards.page.standings import standings
from dynamark.leaderboards.page.sweep_section import sweep_sections
from dynamark.leaderboards.page.trends import trends_section
from dynamark.leaderboards.page.win_rates import win_data
from dynamark.leaderboards.page.zero_shot import zero_shot_section
from dynamark.leaderboards.sweeps import SweepTable
from dynamark.leaderboards.table import Table, tables

if TYPE_CHECKING:
    import pandas

    from dynamark.leaderboards.gate.history import History
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
    boards: Sequence[Shown] = (),
    facts: FactsOf = lambda task, tier: None,
    history: History | None = None,
    sweeps: Sequence[SweepTable] = (),
) -> str:
    """The whole page for gathered rows and for the claims evaluated on them, as one HTML file that loads nothing.

    frame: rows of tasks that are on no board. boards: tables of boards with their rows.
    methods: where the source of each method is, for the cards. figures: of measurements of claims, by the key of their row.
    facts: what is known of a task, for the choice of a method. history: for the trends of scores.
    sweeps: scores as functions of one field of a task.
    """
    all_tables = tables(frame, family)
    if family is not None:
        frame = frame[(frame["family"] == family).to_numpy()]
    whole_frame = _together(frame, [rows for _, rows in boards])
    links, sources = Links(whole_frame), Sources(methods or {})
    style, script, whole = (_asset(f"page.{kind}") for kind in ("css", "js", "html"))
    claims = claims_section(evaluations, figures)
    trends = trends_section(history)
    groups, ranked = _grouped(all_tables), [table for table, _ in boards]
    axes = sweep_sections(sweeps)
    shown = board_sections(boards, links, sources) + axes
    shown += "".join(_section(own, frame, links, sources, ranked) for own in groups)
    pretrained = zero_shot_section(whole_frame) if shown and family in (None, "chaos") else ""
    names = sorted(set(whole_frame["method"]), key=str.lower) if len(whole_frame) else []
    papers = [e.claim.paper for e in evaluations if e.verdict != "not run"]
    papers += [key for name in names if (about := sources.about("method", name)) for key in about.keys]
    cards = _methods(names, all_tables, whole_frame, sources, ranked) + references_section(papers)
    body, inside = emptied((shown + pretrained or _EMPTY) + claims + trends + cards)
    parts = {
        "style": style,
        "script": script,
        # Nothing else may run, whatever a name contrives. The browser hashes the element's whole text.
        "script_digest": base64.b64encode(hashlib.sha256(f"\n{script}".encode()).digest()).decode(),
        "tiles": _tiles(whole_frame, len(boards)),
        "names": _names(groups, all_tables, ranked)
        + ('<a href="#sweeps">Axes</a>' if axes else "")
        + ('<a href="#zero-shot">Pretrained</a>' if pretrained else "")
        + ('<a href="#claims">Claims</a>' if claims else "")
        + ('<a href="#trends">Trends</a>' if trends else ""),
        "glance": glance(groups, evaluations, ranked),
        "picker": picker(ranked),
        "body": body,
        "count": f"{len(whole_frame):,}",
        "digest": _digest(whole_frame),
        "machines": _machines(whole_frame),
        "replaced": _replaced(frame),
        "data": links.data(),
        "packed": links.packed(),
        "inside": pack({"elements": inside, "wins": win_data(ranked), "boards": picker_data(ranked, facts)}),
    }
    return Template(whole).substitute(parts)


def _together(frame: pandas.DataFrame, others: Sequence[pandas.DataFrame]) -> pandas.DataFrame:
    """All rows, each once."""
    import pandas

    if not others:
        return frame
    plain = [
        rows.astype({name: object for name in rows if hasattr(rows[name], "cat")})
        for rows in (*others, frame)
        if len(rows)
    ]
    return pandas.concat(plain, ignore_index=True).drop_duplicates("key", ignore_index=True)


def _grouped(all_tables: Sequence[Table]) -> list[list[Table]]:
    """The tables of each section: one family (or all of them), tier and salt."""
    groups: dict[tuple[str, str, str], list[Table]] = {}
    for table in all_tables:
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
    for provenance in frame.get("provenance", ()):
        known = provenance or {}
        place = f"{known.get('processor') or 'an unknown processor'}, {counted(known.get('threads') or 0, 'thread')}"
        count[f"{place}, torch {known.get('torch')}, NumPy {known.get('numpy')}"] += 1
    shown = [
        f"{escape(place)} ({runs:,})" for place, runs in sorted(count.items(), key=lambda item: (-item[1], item[0]))
    ]
    more = f", and {len(shown) - _MACHINES} more" if len(shown) > _MACHINES else ""
    return f"Run on {'; '.join(shown[:_MACHINES])}{more}. " if shown else ""


def _tiles(frame: pandas.DataFrame, boards: int) -> str:
    failed = int(frame["failed"].sum())
    tiles = {
        **({"boards": boards} if boards else {}),
        "methods": frame["method"].nunique(),
        "tasks": frame["task"].nunique(),
        "families": frame["family"].nunique(),
        "runs": len(frame),
        "failed runs": failed,
    }
    return "".join(f"<div><dt>{name}</dt><dd>{count:,}</dd></div>" for name, count in tiles.items())


def _names(sections: Sequence[Sequence[Table]], all_tables: Sequence[Table], boards: Sequence[BoardTable]) -> str:
    """The navigation: the families of boards, then the sections of other tasks."""
    families = dict.fromkeys(table.board.family for table in boards)
    first = "".join(
        f'<a href="#{family_id(name)}" class="{accent(name)}">{escape(title(name))}</a>' for name in families
    )
    if not boards:
        return "".join(_named(own[0], all_tables) for own in sections)
    return first + (f'<a href="#{table_id(sections[0][0], True)}">Other tasks</a>' if sections else "")


def _named(table: Table, all_tables: Sequence[Table]) -> str:
    return f'<a href="#{table_id(table, True)}" class="{accent(table.family)}">{escape(_short(table, all_tables))}</a>'


def _short(table: Table, all_tables: Sequence[Table]) -> str:
    """A table's name in the navigation: its tier only where there are several."""
    words = title(table.family) + (f" {table.tier}" if len({t.tier for t in all_tables}) > 1 else "")
    return words + (f" (salt {table.salt})" if table.salt else "")


def _section(
    own: Sequence[Table], frame: pandas.DataFrame, links: Links, sources: Sources, boards: Sequence[BoardTable]
) -> str:
    """The tables of one family, tier and salt, each with what it costs; then the cards of all their tasks."""
    first = own[0]
    salt = f", salt {first.salt}" if first.salt else ""
    beside = any(table.board.family == first.family for table in boards)
    head = (
        f"<h2>{escape(title(first.family))}{': other tasks' * beside} <small>{escape(first.tier + salt)}</small></h2>"
    )
    about = "tasks that are on no board" if beside else TITLES.get(first.family, ("", ""))[1]
    parts = []
    for place, table in enumerate(own):
        # A table of one compares nothing: the cards of its tasks say what there is.
        drawn = plots(table)
        shown = standings(table, links) + (f'<div class="plots">{drawn}</div>' if drawn else "")
        # A table that is not shown has an id nevertheless: cards of methods lead to it.
        heading = (
            f'<h3 id="{table_id(table)}">{escape(table.track)}</h3>' if shown else f'<a id="{table_id(table)}"></a>'
        )
        parts.append(heading * bool(place) + shown)
    carded = {(task.name, table.board.tier) for table in boards for task in table.tasks}
    cards = _cards(own, frame, links, sources, carded)
    opening = f'<section id="{table_id(first, True)}" class="{accent(first.family)}">'
    return f"{opening}{head}<p>{escape(about)}</p>{''.join(parts)}{cards}</section>\n"


def _cards(
    own: Sequence[Table], frame: pandas.DataFrame, links: Links, sources: Sources, carded: set[tuple[str, str]]
) -> str:
    """The cards of the tasks of a section; those that stand with a board are not repeated."""
    first = own[0]
    chosen = (frame["family"] == first.family) & (frame["tier"] == first.tier) & (frame["salt"] == first.salt)
    curves = curves_of(frame[chosen.to_numpy()])
    cards = (
        task_card(t, table, curves.get(t.name, {}), links, sources)
        for table in own
        for t in table.tasks
        if first.salt or (t.name, first.tier) not in carded
    )
    text = "".join(cards)
    return f'<h3>Tasks</h3><div class="cards">{text}</div>' if text else ""


def _methods(
    names: Sequence[str],
    all_tables: Sequence[Table],
    frame: pandas.DataFrame,
    sources: Sources,
    boards: Sequence[BoardTable],
) -> str:
    if not names:
        return ""
    targets = {table.board.name: board_id(table) for table in boards} | {t.title: table_id(t) for t in all_tables}
    all_tables = [*map(as_table, boards), *all_tables]
    cards = []
    codes = frame["method"].to_numpy(dtype=object)
    for name in names:
        places = [(t, s) for t in all_tables for s in t.standings if s.method == name]
        cards.append(method_card(str(name), places, frame[codes == name], sources, targets))
    return f'<section id="methods"><h2>Methods</h2><div class="cards">{"".join(cards)}</div></section>'
