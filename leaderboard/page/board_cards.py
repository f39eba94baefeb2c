"""The first screen: a card a board, with its question, the five best, and what the best costs."""

from __future__ import annotations

from collections.abc import Sequence

from dynamark.leaderboards.boards import BoardTable, Place
from dynamark.leaderboards.formats import short
from dynamark.leaderboards.page.markup import accent, counted, escape, seconds, slug

__all__ = ["board_cards", "board_id"]

_BEST = 5


def board_id(table: BoardTable) -> str:
    """The id of the section of a board."""
    return slug("board", table.board.name.replace("/", "-"))


def board_cards(tables: Sequence[BoardTable]) -> str:
    """The cards of all boards, in the order of their families."""
    return "".join(map(_card, tables))


def _card(table: BoardTable) -> str:
    best = "".join(_line(place) for place in table.places[:_BEST])
    about = f"{counted(len(table.places), 'method')} on {counted(len(table.tasks), 'task')}"
    return (
        f'<article class="{accent(table.board.family)}"><h2><a href="#{board_id(table)}">'
        f"<small>{escape(table.board.family)}</small> {escape(short(table.board.name).replace('_', ' '))}</a></h2>"
        f'<p class="question">{escape(table.board.question)}</p><ol>{best}</ol>'
        f'<p class="costs">{_costs(table)} <span>{about}</span></p></article>'
    )


def _line(place: Place) -> str:
    name = f'<a href="#{slug("method", place.method)}">{escape(place.method)}</a>'
    return f"<li><small>{place.rank}</small>{name}{_value(place)}{_bar(place)}</li>"


def _value(place: Place) -> str:
    """Skill with its interval; where tasks have no scale, the mean rank with the interval of the rank."""
    if place.skill is None:
        between = f"rank {place.best}–{place.worst}" if place.best < place.worst else ""
        value = f'<b title="mean rank over tasks and seeds">{place.mean_rank:.1f}</b>'
        return f'{value} <i title="95 % interval of the rank">{between}</i>'
    interval = "" if place.low is None or place.high is None else f" <i>[{place.low:.2f}, {place.high:.2f}]</i>"
    return f'<b title="skill, with its 95 % interval">{place.skill:.2f}</b>{interval}'


def _bar(place: Place) -> str:
    """The skill as a bar, with its interval as a darker part."""
    if place.skill is None:
        return ""
    low, high = (place.skill if end is None else end for end in (place.low, place.high))
    return f'<span class="bar" style="--s:{place.skill:.3f};--l:{low:.3f};--h:{high:.3f}"></span>'


def _costs(table: BoardTable) -> str:
    """What the first costs, and the cheapest that other seeds could put level with it."""
    first, cheapest = table.places[0], table.cheapest
    cost = f"{escape(first.method)} fits in {seconds(first.seconds)}" if first.seconds is not None else ""
    if cheapest is None or cheapest.method == first.method:
        return f"{cost}; none within its interval is cheaper." if cost and first.low is not None else cost
    return f"{cost}; cheapest within its interval: <b>{escape(cheapest.method)}</b>, {seconds(cheapest.seconds)}."
