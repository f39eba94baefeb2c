"""A claim that ships, evaluated on the rows of its own experiments: as they are, smaller, or broken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claims_support import index_of, rows_for

from dynamark.runners.claims.catalog import shipped_claims
from dynamark.runners.claims.claim import Experiment
from dynamark.runners.claims.experiments import EXPERIMENTS
from dynamark.runners.claims.verdicts import Evaluation, evaluate
from dynamark.runners.registry import load_checked
from dynamark.tasks.problems import Run


def measured(name: str, **smaller: Any) -> Evaluation:
    """A claim on what its experiments measure now. smaller: fields that replace those of every experiment that has them."""
    listed = shipped_claims()[name]
    experiments = iter([need for need in listed.claim.needs if isinstance(need, Experiment) for _ in range(need.seeds)])

    def scores(config: Mapping[str, Any], seed: int) -> Mapping[str, float]:
        need = next(experiments)
        kind = load_checked(EXPERIMENTS[need.name], "experiment")
        known = kind.__dataclass_fields__
        fields = {**need.fields, **{field: value for field, value in smaller.items() if field in known}}
        values: Mapping[str, float] = kind(**fields).measure(Run([seed])).values
        return values

    return evaluate(listed, index_of(*rows_for(listed.claim.needs, scores)))


def verdict(name: str, **smaller: Any) -> str:
    """The verdict alone."""
    return measured(name, **smaller).verdict
