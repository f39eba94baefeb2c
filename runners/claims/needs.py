"""What claims need as suites: runs and experiments, each once with the largest number of seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from dynamark.runners.claims.catalog import Listed
from dynamark.runners.claims.claim import Claim, Experiment, Need, Runs
from dynamark.runners.plan.suite import Entry, Suite
from dynamark.runners.spec import Spec, most_seeds

__all__ = ["needs_of", "suites_of"]

# A need with the factor of its number of seeds.
Counted = tuple[Need, int]


def needs_of(claim: Claim, look: int = 0, convergence: bool = True) -> list[Counted]:
    """What a claim needs at one of its looks, counted from 0; with the runs of its convergence check, or without."""
    factor = claim.looks[min(look, len(claim.looks) - 1)]
    doubled = [] if isinstance(claim.convergence, str) or not convergence else list(claim.convergence)
    return [(need, factor) for need in (*claim.needs, *doubled)]


def suites_of(
    claims: Mapping[str, Listed], looks: Mapping[str, int] | None = None, convergence: Iterable[str] | None = None
) -> Iterator[Suite]:
    """What claims need: a suite a family.

    looks: the look of each claim, by id; by default the last one, so that a suite names every run that a claim can ask for.
    convergence: ids of the claims whose convergence checks are wanted; by default all.
    """
    wanted = set(claims) if convergence is None else set(convergence)
    for family in dict.fromkeys(listed.family for listed in claims.values()):
        counted = [
            need
            for name, listed in claims.items()
            if listed.family == family
            for need in needs_of(
                listed.claim, (looks or {}).get(name, len(listed.claim.looks) - 1), convergence=name in wanted
            )
        ]
        entries = [
            Entry((task,), (method,), tier, seeds) for (task, method, tier), seeds in most_seeds(_runs(counted)).items()
        ]
        experiments = most_seeds(
            (Spec(need.name, need.fields), need.seeds * factor)
            for need, factor in counted
            if isinstance(need, Experiment)
        )
        yield Suite(f"claims-{family}", "what claims need", tuple(entries), experiments=tuple(experiments.items()))


def _runs(counted: Sequence[Counted]) -> Iterator[tuple[tuple[Spec, Spec, str], int]]:
    for need, factor in counted:
        if isinstance(need, Runs):
            key = (Spec(need.task, need.task_fields), Spec(need.method, need.fields), need.tier)
            yield key, need.seeds * factor
