"""Small finite groups as multiplication tables."""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from dynamark.errors import unknown

__all__ = ["GROUPS", "abelian_index", "running_products", "table_of"]

Permutation = tuple[int, ...]

# Generators, as permutations of 0 .. n-1.
GROUPS: dict[str, tuple[Permutation, ...]] = {
    "c2": ((1, 0),),
    "v4": ((1, 0, 2, 3), (0, 1, 3, 2)),
    "c6": ((1, 2, 3, 4, 5, 0),),
    "s3": ((1, 0, 2), (1, 2, 0)),
    "a5": ((1, 2, 0, 3, 4), (1, 2, 3, 4, 0)),
}


def _after(a: Permutation, b: Permutation) -> Permutation:
    """a b: first b, then a."""
    return tuple(a[i] for i in b)


def _closure(generators: tuple[Permutation, ...]) -> list[Permutation]:
    """All products of the generators, the identity first."""
    known = [tuple(range(len(generators[0])))]
    for element in known:
        known.extend(p for p in dict.fromkeys(_after(g, element) for g in generators) if p not in known)
    return known


@functools.cache
def _elements(name: str) -> list[Permutation]:
    if name not in GROUPS:
        raise unknown("group", name, list(GROUPS))
    return _closure(GROUPS[name])


@functools.cache
def table_of(name: str) -> Int[ndarray, "order order"]:
    """table[a, b] = a b, elements counted from the identity, 0. Raises UserError for a name that is not in `GROUPS`."""
    elements = _elements(name)
    places = {p: i for i, p in enumerate(elements)}
    return np.array([[places[_after(a, b)] for b in elements] for a in elements])


def running_products(name: str, words: Int[ndarray, "word time"]) -> Int[ndarray, "word time"]:
    """y_t = x_t y_{t-1}, y_{-1} the identity."""
    table, out = table_of(name), np.empty_like(words)
    state = np.zeros(len(words), dtype=words.dtype)
    for t, letters in enumerate(words.T):
        state = table[letters, state]
        out[:, t] = state
    return out


@functools.cache
def abelian_index(name: str) -> int:
    """The order of the commutator subgroup [G, G]: how many elements have the same image in every abelian quotient.

    The counts of the letters of a word determine its product in the largest abelian quotient only, so that no function of the
    counts of long uniform words finds the product more often than 1 in this many times.
    """
    elements = _elements(name)
    inverse = {p: tuple(int(i) for i in np.argsort(p)) for p in elements}
    commutators = {_after(_after(a, b), _after(inverse[a], inverse[b])) for a in elements for b in elements}
    return len(_closure(tuple(sorted(commutators))))
