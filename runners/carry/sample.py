"""Which runs are done again before rows are carried: tiny runs of every task and method, and a random part of the rows."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence

import numpy as np

from dynamark.errors import UserError
from dynamark.results.keys import canonical
from dynamark.results.schema import EXPERIMENT, SCORED, Row
from dynamark.runners.carry.question import Pair, configuration
from dynamark.runners.spec import parse

__all__ = ["SHARE", "always", "drawn", "groups", "tiny_run"]

# Of the rows, the part that is run again.
SHARE = 0.05

_TINY, _SEED = "tiny", 0


def groups(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Rows of one task and one method each, whatever their tier, seed, salt and budget."""
    named: dict[str, list[Pair]] = {}
    for pair in pairs:
        row = pair.old
        label = json.dumps([row["kind"], row["task"], row["method"], row["method_fields"], row["device"]])
        named.setdefault(label, []).append(pair)
    return [named[label] for label in sorted(named)]


def tiny_run(group: Sequence[Pair]) -> Row | None:
    """The configuration of the tiny run of a task and a method, with its seed; None for an experiment, which has no tiers.

    Of the task's fields only those that its label names are kept: the others have other values at the tiny tier.
    """
    row = group[0].old
    if row["kind"] == EXPERIMENT:
        return None
    try:
        named = parse(row["task"]).fields
    except UserError:
        return None
    settings = {**configuration(row), "tier": _TINY, "task_fields": canonical(dict(named)), "budget": None, "salt": ""}
    return {**settings, "seed": _SEED}


def drawn(pairs: Sequence[Pair]) -> list[int]:
    """The places of a random 5 % of the rows, at least one, without replacement. The set of rows alone decides which."""
    order = sorted(range(len(pairs)), key=lambda place: str(pairs[place].old["key"]))
    words = hashlib.sha256("\n".join(str(pairs[place].old["key"]) for place in order).encode()).digest()
    rng, count = np.random.default_rng(list(words)), math.ceil(SHARE * len(pairs))
    return sorted(order[k] for k in rng.permutation(len(pairs))[:count])


def always(group: Sequence[Pair], tiny_status: str | None) -> list[Pair]:
    """The rows of a task and a method that are in every sample.

    One for each way in which its runs failed: that they fail again is not shown by runs that succeed. And one that succeeded
    if no tiny run does, so that no row is carried whose code was not executed.
    tiny_status: how the tiny run ended; None if there is none.
    """
    first: dict[str, Pair] = {}
    for pair in group:
        scored = pair.old["status"] in SCORED
        if not (scored and tiny_status in SCORED):
            first.setdefault("scored" if scored else str(pair.old["status"]), pair)
    return list(first.values())
