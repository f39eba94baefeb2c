"""Which method for my problem? A form whose answer the page's script takes from the tasks' facts and the boards' rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dynamark.leaderboards.boards import BoardTable, Place
from dynamark.leaderboards.page.board_cards import board_id
from dynamark.leaderboards.page.markup import accent
from dynamark.runners.facts import Facts

__all__ = ["FactsOf", "picker", "picker_data"]


# The facts of a task by its name and tier; None where they are unknown.
FactsOf = Callable[[str, str], Facts | None]

# Upper ends of classes of dimensions and of samples; the last class is open.
_DIMENSIONS, _SAMPLES = (1, 4, 20), (1_000, 20_000, 80_000)
_SECONDS = (0.1, 1, 10, 60)

# Each choice: its label, and its options with the words that a reader sees.
_CHOICES: dict[str, tuple[str, Mapping[str, str]]] = {
    "observed": (
        "state observed",
        {"fully": "fully", "partially": "partially", "none": "no dynamics: a matrix or network"},
    ),
    "noise": ("noise", {"0": "none", "1": "noisy"}),
    "inputs": ("known inputs", {"0": "none", "1": "with inputs"}),
    "dimension": ("dimension", {"0": "1", "1": "2 to 4", "2": "5 to 20", "3": "more than 20"}),
    "samples": ("samples", {"0": "up to 1,000", "1": "up to 20,000", "2": "up to 80,000", "3": "more than 80,000"}),
    "seconds": ("time to fit", {f"{limit:g}": f"at most {limit:g} s" for limit in _SECONDS}),
}


def picker(tables: Sequence[BoardTable]) -> str:
    """The form; without the page's script there is none, because it could not answer."""
    if not tables:
        return ""
    choices = "".join(
        f'<label><span>{label}</span><select name="{name}"><option value="">any</option>'
        + "".join(f'<option value="{value}">{words}</option>' for value, words in options.items())
        + "</select></label>"
        for name, (label, options) in _CHOICES.items()
    )
    return (
        f'<section id="picker" class="f-other" hidden><h2>Which method for my problem?</h2><form>{choices}'
        '<button type="reset">reset</button></form><div class="answer" aria-live="polite"></div></section>'
    )


def picker_data(tables: Sequence[BoardTable], facts: FactsOf) -> list[dict[str, Any]]:
    """What the script needs of each board: the classes of its tasks, and of each method its skill and seconds on each.

    Where a board has no scale, the mean rank among its methods stands for skill (`ranked`).
    """
    return [_board(table, facts) for table in tables]


def _board(table: BoardTable, facts: FactsOf) -> dict[str, Any]:
    names = [task.name for task in table.tasks]
    return {
        "id": board_id(table),
        "name": table.board.name,
        "question": table.board.question,
        "accent": accent(table.board.family),
        "ranked": table.places[0].skill is None,
        "tasks": [_classes(facts(name, table.board.tier)) for name in names],
        "methods": [
            [place.method, *_values(place, table, names)] for place in table.places if place.method not in table.dead
        ],
    }


def _values(place: Place, table: BoardTable, names: Sequence[str]) -> tuple[list[float], list[float | None]]:
    """Skill (or rank) and seconds on each task."""
    if place.skill is None:
        values = [_rank(place, table, name) for name in names]
    else:
        values = [round(place.skills.get(name, 0.0), 3) for name in names]
    return values, [_short(place.times.get(name)) for name in names]


def _rank(place: Place, table: BoardTable, task: str) -> float:
    """The rank of a method on a task by its median score; without one it is last."""
    lower = next(info.lower_is_better for info in table.tasks if info.name == task)
    if task not in place.scores:
        return len(table.places)
    own = place.scores[task]
    others = [p.scores[task] for p in table.places if task in p.scores]
    return 1 + sum(other < own if lower else other > own for other in others)


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.2g}")


def _classes(known: Facts | None) -> dict[str, str] | None:
    """The option of each choice that a task falls under."""
    if known is None:
        return None
    return {
        "observed": known.observed or "none",
        "noise": str(int(known.noise)),
        "inputs": str(int(known.inputs > 0)),
        "dimension": _class(known.dimension, _DIMENSIONS),
        "samples": _class(known.samples, _SAMPLES),
    }


def _class(value: int, ends: Sequence[int]) -> str:
    return str(sum(value > end for end in ends))
