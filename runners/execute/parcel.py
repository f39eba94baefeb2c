"""A cohort as text, from which another machine makes the same cohort; and its outcomes as text, for the way back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dynamark.results.keys import FOREIGN
from dynamark.runners.execute import scorer
from dynamark.runners.execute.executor import Limits, Outcome, Settings
from dynamark.runners.execute.sources import packed, present_digest, unpacked
from dynamark.runners.plan.cohorts import Cohort, Planned, PlannedExperiment, PlannedRun
from dynamark.runners.registry import Method

__all__ = ["Differs", "opened", "outcomes_in", "outcomes_text", "parcel"]


class Differs(Exception):
    """The machine would not run what the other one planned."""


def parcel(cohort: Cohort, settings: Settings) -> str:
    """Everything that another machine needs to run a cohort. Data does not travel: it is generated there, from the task."""
    first, method = cohort.runs[0], cohort.method
    content: dict[str, Any] = {
        "suite": first.suite,
        "seeds": cohort.seeds,
        "keys": [run.key for run in cohort.runs],
        "alone": cohort.alone,
        "method": {"label": method.label, "name": method.name, "fields": method.fields, "source": method.source},
        "method_class": packed(method.target),
        "settings": {
            "seconds": settings.limits.seconds,
            "memory": settings.limits.memory,
            "device": settings.device,
            "hidden": settings.hidden,
        },
    }
    if isinstance(first, PlannedRun):
        described = scorer.describe(first.task)
        content |= {
            "task": described["fields"],
            "task_class": packed(described["target"]),
            "task_source": first.task_source,
            "budget": first.budget,
        }
    else:
        content["salt"] = first.salt
    return json.dumps(content)


def opened(text: str) -> tuple[Cohort, Settings]:
    """The cohort and the settings of a parcel. Raises `Differs` where the code here is not what was planned."""
    content = json.loads(text)
    given = content["settings"]
    hidden = None if given["hidden"] is None else tuple(given["hidden"])
    settings = Settings(1, Limits(given["seconds"], given["memory"]), given["device"], hidden)
    target = unpacked(content["method_class"])
    method = Method(target=target, **content["method"])
    _compare(target, method.source, method.label)
    runs = tuple(_runs(content, method, settings.device))
    for run, key in zip(runs, content["keys"], strict=True):
        if run.key != key:
            raise Differs(
                f"the key of a run of '{method.label}' differs here: another version of dynamark is installed"
            )
    return Cohort(runs, content["alone"]), settings


def _runs(content: Mapping[str, Any], method: Method, device: str) -> list[Planned]:
    suite, seeds = content["suite"], content["seeds"]
    if "task" not in content:
        return [PlannedExperiment(suite, method, seed, device, content["salt"]) for seed in seeds]
    target, source = unpacked(content["task_class"]), content["task_source"]
    _compare(target, source.removeprefix(FOREIGN), content["task"]["name"])
    task = scorer.rebuild({"target": target, "fields": content["task"]})
    return [PlannedRun(suite, task, method, seed, content["budget"], device, source) for seed in seeds]


def _compare(target: str, digest: str, name: str) -> None:
    if present_digest(target) != digest:
        raise Differs(f"the source of '{name}' differs here; install the same version as where the command runs")


# --- the way back


def outcomes_text(cohort: Cohort, outcomes: list[Outcome]) -> str:
    """The outcomes of a cohort, each with the places of its members."""
    places = {run.key: place for place, run in enumerate(cohort.runs)}
    return json.dumps(
        [
            {
                "members": [places[run.key] for run in outcome.cohort.runs],
                "alone": outcome.cohort.alone,
                "results": outcome.results,
                "provenance": outcome.provenance,
            }
            for outcome in outcomes
        ]
    )


def outcomes_in(text: str, cohort: Cohort) -> list[Outcome]:
    """The outcomes of a cohort. Raises `ValueError` unless each member has one result."""
    try:
        outcomes = [
            Outcome(
                Cohort(tuple(cohort.runs[place] for place in part["members"]), part["alone"]),
                [dict(result) for result in part["results"]],
                dict(part["provenance"]),
            )
            for part in json.loads(text)
        ]
    except (KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise ValueError(f"not the outcomes of a cohort: {error}") from None
    answered = sorted(run.key for outcome in outcomes for run in outcome.cohort.runs)
    if answered != sorted(run.key for run in cohort.runs):
        raise ValueError("not one result for each member")
    for outcome in outcomes:
        if len(outcome.results) != len(outcome.cohort.runs) or not all("status" in one for one in outcome.results):
            raise ValueError("not one result for each member")
    return outcomes
