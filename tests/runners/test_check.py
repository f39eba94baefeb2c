"""What `dynamark check` finds on the edge cases that suites and recordings contain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import WALK

from dynamark.runners.check import check
from dynamark.runners.edges import CASES, ForecastEdge
from dynamark.runners.execute.worker import solve
from dynamark.runners.registry import resolve_method
from dynamark.runners.spec import Spec
from dynamark.tasks.problems import Forecasting

HEAD = """
from dataclasses import dataclass
from dynamark.errors import UserError
import torch

@dataclass(frozen=True)
class Mine:
    data_units = "{units}"

    def fit_forecaster(self, problem, run):
        return self

    def forecast(self, context, horizon, inputs=None):
        x = context.observations[:, -1:]
        {body}
        return x.expand(-1, horizon, -1)
"""


def findings(folder: Path, body: str = "pass", units: str = "standardized") -> Mapping[str, Any]:
    path = folder / "mine.py"
    path.write_text(HEAD.format(body=body, units=units))
    return {finding.what: finding for finding in check(f"{path}:Mine") if finding.what.startswith("edge case")}


@pytest.mark.usefixtures("checks_in_this_process")
def test_every_case_is_tried_and_persistence_passes_them(tmp_path: Path) -> None:
    lines = findings(tmp_path)
    assert {what.rpartition(", ")[2] for what in lines} == set(CASES[Forecasting][1])
    assert all(finding.ok for finding in lines.values())


@pytest.mark.usefixtures("checks_in_this_process")
@pytest.mark.parametrize(
    ("body", "units", "case", "message"),
    [
        ("x = x + (0 * x[..., 1:2])", "standardized", "one channel", "wanted shape"),
        ("x = x / (1e-3 + x.abs())", "raw", "data times 1e-6", "the error depends on the units of the data"),
        ("assert inputs is None", "standardized", "with inputs", "AssertionError"),
    ],
)
def test_a_fault_is_found_in_its_case(tmp_path: Path, body: str, units: str, case: str, message: str) -> None:
    bad = {what: f.detail for what, f in findings(tmp_path, body, units).items() if not f.ok}
    assert re.search(message, bad[f"edge case, forecasting, {case}"])
    assert "edge case, forecasting, plain" not in bad


@pytest.mark.usefixtures("checks_in_this_process")
def test_a_refusal_in_words_is_no_fault(tmp_path: Path) -> None:
    body = "if inputs is not None: raise UserError('takes no inputs')"
    lines = findings(tmp_path, body)["edge case, forecasting, with inputs"]
    assert lines.ok
    assert lines.detail == "rejected by the method: takes no inputs (mine.py:16)" or lines.detail.startswith(
        "rejected by the method: takes no inputs"
    )


def test_guises_differ_in_units_alone() -> None:
    plain, large = (ForecastEdge(name=name, case=name).data(3)["outputs"] for name in ("plain", "data times 1e6"))
    np.testing.assert_allclose(large, 1e6 * plain)
    assert ForecastEdge(case="plain", name="a").entropy(1, "method") == ForecastEdge(
        case="one channel", name="b"
    ).entropy(1, "method")


def test_a_method_of_the_catalog_scores_alike_in_all_units() -> None:
    errors = []
    for case in ("plain", "data times 1e6", "data times 1e-6"):
        task = ForecastEdge(case=case)
        (answer,) = solve(
            [resolve_method(Spec("lru")).build()], [task.problem(0)], [task.entropy(0, "method")], budget=5
        )
        errors.append(task.score(answer.arrays, 0).values["nrmse"])
    assert errors[1:] == pytest.approx([errors[0]] * 2, rel=0.01)


ADDRESS = """
from dataclasses import dataclass
import torch
from dynamark.tasks import problems

@dataclass(frozen=True)
class Mine:
    def fit_forecaster(self, problem, run):
        return self

    def forecast(self, context, horizon, inputs=None):
        last = context.observations[:, -1:].expand(-1, horizon, -1)
        return {answer}
"""


def failed(folder: Path, answer: str) -> dict[str, str]:
    path = folder / "mine.py"
    path.write_text(ADDRESS.format(answer=answer))
    return {f.what.rpartition(": ")[2]: f.detail for f in check(f"{path}:Mine", task=WALK) if not f.ok}


def test_what_depends_on_inherited_addresses_is_not_reproducible(tmp_path: Path) -> None:
    assert "bitwise reproducible" in failed(tmp_path, "last + 1e-3 * (id(problems) % 65521)")


def test_global_generators_and_the_order_of_sets_are_seeded(tmp_path: Path) -> None:
    assert failed(tmp_path, "last + torch.rand(1, 1, 1) + hash('word') % 1000") == {}


@pytest.mark.usefixtures("checks_in_this_process")
def test_complex_answers_do_not_pass(tmp_path: Path) -> None:
    (detail,) = failed(tmp_path, "last.to(torch.complex64)").values()
    assert "wanted a tensor of real floating-point numbers, got an array of complex64" in detail
