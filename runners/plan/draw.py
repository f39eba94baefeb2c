"""The candidates of a method on a board: its defaults, and settings drawn from its search space with a fixed seed per method."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dynamark.runners.registry import Method
from dynamark.runners.spec import Spec, open_fields, with_candidates

__all__ = ["drawn", "with_search"]


def with_search(method: Method, spec: Spec, count: int) -> Method:
    """The method with `count` candidates from the `search_space` of its class.

    Fields that the spec or the catalog sets are not tuned. A method without a search space, or with fields that are already to be
    chosen, is returned unchanged.
    """
    fixed = {*spec.fields, *method.preset}
    own = {name: values for name, values in method.space.items() if name in method.fields and name not in fixed}
    candidates = drawn(method.name, method.fields, own, count)
    if open_fields(method.fields) or len(candidates) < 2:
        return method
    return replace(method, fields=with_candidates(method.fields, candidates))


def drawn(name: str, fields: Mapping[str, Any], space: Mapping[str, Sequence[Any]], count: int) -> list[dict[str, Any]]:
    """The fields in which each candidate differs from the defaults: first none, then distinct settings drawn uniformly.

    The draw depends only on the name, not on the board or machine. A small search space gives fewer than `count` candidates.
    """
    names = sorted(space)
    settings = [dict(zip(names, values, strict=True)) for values in itertools.product(*(space[n] for n in names))]
    changed = [{n: v for n, v in setting.items() if v != fields[n]} for setting in settings]
    others = [own for k, own in enumerate(changed) if own and own not in changed[:k]]
    words = hashlib.sha256(f"candidates of {name}".encode()).digest()
    order = np.random.default_rng(list(words)).permutation(len(others))
    return [{}, *(others[k] for k in order[: count - 1])]
