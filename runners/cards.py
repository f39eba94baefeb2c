"""Tasks and methods as documentation: cards in Markdown, made from what classes say of themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from dynamark.methods.catalog import METHODS
from dynamark.runners.registry import load, resolve_method, resolve_task
from dynamark.runners.spec import Spec, parse
from dynamark.tasks.base import Metric, Task
from dynamark.tasks.catalog import TASKS
from dynamark.tasks.problems import KINDS

__all__ = ["method_cards", "task_cards"]

# Which way is better; a quantity that is only reported has no direction.
_ARROWS = {True: "↓", False: "↑", None: "·"}

_MADE = "Made by `dynamark list {} --format md` from the source; do not edit."


def task_cards() -> str:
    """A page of all tasks: one card a class, with the tasks that are instances of it."""
    parts = ["# Tasks", "", _MADE.format("tasks"), ""]
    parts += ["`↓` lower is better, `↑` higher; the first score of a task is the one that ranks.", ""]
    family, scored = "", dict[tuple[Metric, ...], str]()
    for target, names in _by_class(TASKS).items():
        if (own := names[0].partition("/")[0]) != family:
            family = own
            parts += [f"## {family}", ""]
        metrics = resolve_task(Spec(names[0]), "standard").metrics
        parts += _task_card(target, names, scored.setdefault(metrics, names[0]))
    return "\n".join(parts).rstrip() + "\n"


def method_cards(bibtex: Callable[[str], str | None]) -> str:
    """A page of all methods: one card a class. bibtex: from a paper's key to its entry."""
    parts = ["# Methods", "", _MADE.format("methods"), ""]
    for target, names in _by_class(METHODS).items():
        parts += _method_card(target, names, bibtex)
    return "\n".join(parts).rstrip() + "\n"


def _by_class(table: Mapping[str, str]) -> dict[str, list[str]]:
    """`module:Class` to the names of a catalog that stand for it, in its order."""
    found: dict[str, list[str]] = {}
    for name, spec in table.items():
        found.setdefault(parse(spec).name, []).append(name)
    return found


def _task_card(target: str, names: list[str], like: str) -> list[str]:
    first = resolve_task(Spec(names[0]), "standard")
    lines = [f"### {', '.join(names)}", "", *_prose(type(first)), ""]
    lines += [f"- kind: {first.kind.__name__}; a method needs `{KINDS[first.kind][0]}`"]
    if like in names:
        lines += ["- scores:", *(f"  - {_score(metric)}" for metric in first.metrics)]
    else:
        lines += [f"- scores: `{first.primary.name}` and the others of `{like}`"]
    lines += [f"- {_tier(first, tier)}" for tier in first.tiers]
    lines += [f"- version {first.version}; source: `{_path(target)}`"]
    lines += _variants({name: TASKS[name] for name in names})
    return [*lines, ""]


def _score(metric: Metric) -> str:
    unit = f" ({metric.unit})" if metric.unit else ""
    about = f": {_escaped(metric.about)}" if metric.about else ""
    return f"`{metric.name}`{unit} {_ARROWS[metric.lower_is_better]}{about}"


def _tier(task: Task, tier: str) -> str:
    """The parameters of a tier, those that all tiers share at `standard` only."""
    at = resolve_task(Spec(task.name), tier).fields()
    told = at if tier == "standard" else {name: at[name] for name in task.tiers[tier] if name in at}
    return f"{tier}: " + (_fields({name: v for name, v in told.items() if name != "tier"}) or "as standard")


def _method_card(target: str, names: list[str], bibtex: Callable[[str], str | None]) -> list[str]:
    cls, first = load(target, "method"), resolve_method(Spec(target))
    solves = [f"{kind.__name__} (`{single}`)" for kind, (single, plural) in KINDS.items() if _has(cls, single, plural)]
    together = any(hasattr(cls, plural) for _, plural in KINDS.values())
    lines = [f"## {', '.join(names)}", "", *_prose(cls), ""]
    lines += [f"- solves: {', '.join(solves)}" + ("; all seeds of a cohort together" if together else "")]
    if first.fields:
        lines += [f"- hyper-parameters: {_fields(first.fields)}"]
    key = re.search(r"^key:\s*(\w+)\s*$", inspect.getdoc(cls) or "", re.MULTILINE)
    if key is not None:
        lines += [f"- paper: {_cited(key[1], bibtex(key[1]))}"]
    lines += [f"- source: `{_path(target)}`", *_variants({name: METHODS[name] for name in names})]
    return [*lines, ""]


def _has(cls: type, single: str, plural: str) -> bool:
    return hasattr(cls, single) or hasattr(cls, plural)


def _prose(cls: type) -> list[str]:
    """The docstring: its first paragraph, a formula, as code; the others as text. Without the key of its paper."""
    text = re.sub(r"^key:.*$", "", inspect.getdoc(cls) or "", flags=re.MULTILINE)
    first, *rest = [" ".join(p.split()) for p in text.split("\n\n") if p.strip()] or [""]
    return [f"    {first}", *(line for p in rest for line in ("", _escaped(p)))]


def _escaped(text: str) -> str:
    """Text whose signs Markdown would take for its own, apart from `code`."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([\\*_<>\[\]|~])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def _variants(specs: Mapping[str, str]) -> list[str]:
    """What each name sets, where a class has several or the only one sets something."""
    told = {name: spec.partition("(")[2].removesuffix(")") for name, spec in specs.items()}
    return [f"- `{name}`: {f'`{fields}`' if fields else 'the defaults'}" for name, fields in told.items()] * (
        len(told) > 1 or any(told.values())
    )


def _fields(told: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name} = {value!r}`" for name, value in told.items())


def _path(target: str) -> str:
    return target.partition(":")[0].removeprefix("dynamark.").replace(".", "/") + ".py"


def _cited(key: str, entry: str | None) -> str:
    """Authors, title and year of a BibTeX entry."""
    if entry is None:
        return f"`{key}`"
    found = {
        name: " ".join(match[1].replace("{", "").replace("}", "").split())
        for name in ("author", "title", "year")
        if (match := re.search(rf"^\s*{name}\s*=\s*\{{(.*?)\}},?\s*$", entry, re.MULTILINE | re.DOTALL))
    }
    words = [found.get("author", "").replace(" and ", "; "), f"*{found.get('title', '')}*", found.get("year", "")]
    return f"{', '.join(filter(None, words))} (`{key}`)"
