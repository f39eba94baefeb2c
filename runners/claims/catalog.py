"""The claims by id: those that ship, those of entry points, and those of a file.

An id is `C01`, a name of the entry-point group `dynamark.claims`, `path/file.py:C1`, or `module:C1`; `path/file.py` stands for
all claims of the file.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from dynamark.errors import UserError, unknown
from dynamark.runners.claims.claim import Claim, Experiment
from dynamark.runners.registry import load_checked

__all__ = ["FAMILIES", "Listed", "all_claims", "choose", "shipped_claims"]

# family -> the modules below this folder that hold its claims
FAMILIES = {
    "sensing": (
        "descent",
        "limits",
        "networks",
        "stability",
        "acceleration",
        "stochastic",
        "walks",
        "ranks",
        "tensors",
        "covariances",
        "adapters",
        "optimizers",
        "penalties",
        "rewards",
        "robustness",
        "reduction",
        "increments",
        "convolutions",
        "items",
    ),
    "lds": (
        "prediction",
        "theory",
        "training",
        "cells",
        "sequences",
        "connectivity",
        "bandits",
        "signatures",
        "attention",
        "flows",
        "richness",
        "imitation",
        "areas",
        "asymmetric",
        "perturbation",
        "latents",
    ),
    "koopman": (
        "spectra",
        "forecasts",
        "representations",
        "control",
        "solvers",
        "streams",
        "inputs",
        "networks",
        "mixtures",
        "generation",
        "fields",
        "weights",
        "reconstruction",
    ),
    "chaos": ("reconstruction", "codes", "baselines", "measures", "axes", "zero_shot", "switching", "snapshots"),
}


@dataclass(frozen=True)
class Listed:
    """A claim with the id and the family under which it is listed."""

    id: str
    family: str
    claim: Claim


@functools.cache
def shipped_claims() -> Mapping[str, Listed]:
    """Every claim that ships, by id; in the order of families and of numbers."""
    listed: dict[str, Listed] = {}
    for family, modules in FAMILIES.items():
        own: dict[str, Listed] = {}
        for module in modules:
            names = vars(importlib.import_module(f"dynamark.runners.claims.{family}.{module}"))
            for name, value in names.items():
                if isinstance(value, Claim):
                    _add(own, Listed(name, family, value), listed)
        listed |= {name: own[name] for name in sorted(own, key=_number)}
    return listed


def all_claims() -> dict[str, Listed]:
    """The claims that ship, then those of entry points."""
    listed = dict(shipped_claims())
    for point in entry_points(group="dynamark.claims"):
        if ":" in point.value:
            _add(listed, _of_object(point.name, load_checked(point.value, "claim")))
        else:
            for claim in _of_module(point.value, ""):
                _add(listed, claim)
    return listed


def choose(ids: Iterable[str] = (), family: str | None = None) -> dict[str, Listed]:
    """Claims by id (see the top of this module), or those of a family, or all."""
    wanted = [ids] if isinstance(ids, str) else list(ids)
    known = all_claims()
    chosen: dict[str, Listed] = {}
    for name in wanted:
        for claim in _named(name, known):
            chosen[claim.id] = claim
    if not wanted:
        chosen = known
    families = list(dict.fromkeys([*FAMILIES, *(claim.family for claim in chosen.values())]))
    if family is not None and family not in families:
        raise unknown("family", family, families)
    return {name: claim for name, claim in chosen.items() if family in (None, claim.family)}


def _named(name: str, known: Mapping[str, Listed]) -> list[Listed]:
    if name in known:
        return [known[name]]
    if name.endswith(".py"):
        return _of_module(name, f"{Path(name).name}:")
    where, colon, attribute = name.rpartition(":")
    if colon:
        shown = f"{Path(where).name}:{attribute}" if where.endswith(".py") else name
        if attribute not in (names := load_checked(f"{where}:__dict__", "claims")):
            raise unknown(f"claim of {where}:", attribute, [n for n, v in names.items() if isinstance(v, Claim)])
        return [_of_object(shown, names[attribute])]
    raise unknown("claim", name, list(known))


def _of_module(where: str, prefix: str) -> list[Listed]:
    """All claims of a module or of a file."""
    names = load_checked(f"{where}:__dict__", "claims")
    claims = [_of_object(f"{prefix}{name}", value) for name, value in names.items() if isinstance(value, Claim)]
    if not claims:
        raise UserError(f"{where} holds no claim; write NAME = Claim(...) at its top level")
    return sorted(claims, key=lambda listed: _number(listed.id))


def _of_object(shown: str, value: object) -> Listed:
    if not isinstance(value, Claim):
        raise UserError(f"'{shown}' is not a claim; a claim is a dynamark.runners.claims.claim.Claim")
    return Listed(shown, _family(shown, value), value)


def _family(shown: str, claim: Claim) -> str:
    """The family of the first task or experiment that a claim needs; the name of its file where that has none."""
    for need in claim.needs:
        name = need.name if isinstance(need, Experiment) else need.task
        if "/" in name and ":" not in name:
            return name.partition("/")[0]
    return Path(shown.partition(":")[0]).stem


def _add(listed: dict[str, Listed], claim: Listed, others: Iterable[str] = ()) -> None:
    if claim.id in listed or claim.id in set(others):
        raise UserError(f"two claims have the id '{claim.id}'; rename one")
    listed[claim.id] = claim


def _number(name: str) -> tuple[int, str]:
    """C2 before C10, and C22 before C22b."""
    digits = "".join(c for c in name.rpartition(":")[2] if c.isdigit())
    return int(digits or 0), name
