"""Tasks in breadth: forty systems and more, the field that names a flow, what the query leaves out, and the suite."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dynamark.errors import UserError
from dynamark.runners.plan.suite import load_suite
from dynamark.runners.registry import resolve_task
from dynamark.runners.spec import parse
from dynamark.tasks.chaos.breadth import Flows, KuramotoSivashinsky22, Lorenz96Large
from dynamark.tasks.chaos.flows import FLOWS
from dynamark.tasks.chaos.metrics import mixture_divergence


def test_there_are_forty_systems_each_a_task() -> None:
    assert len(FLOWS) + 3 >= 40
    for name, flow in FLOWS.items():
        task = resolve_task(parse(f"chaos/flows(flow='{name}')"), "tiny")
        assert isinstance(task, Flows)
        assert task.system is flow.system
        assert task.name == ("chaos/flows" if name == "halvorsen" else f"chaos/flows(flow='{name}')")
        assert task.system.transient * task.system.dt >= 10 * task.system.unit


def test_the_card_names_every_flow() -> None:
    listed = re.search(r"flow: one of (.*)\.\s*$", Flows.__doc__ or "", re.DOTALL)
    assert listed is not None
    assert re.split(r",\s+", listed[1]) == list(FLOWS)


def test_an_unknown_flow_is_a_user_error() -> None:
    with pytest.raises(UserError, match="unknown flow 'chenn'; did you mean chen"):
        resolve_task(parse("chaos/flows(flow='chenn')"), "tiny")


def test_the_query_of_a_flow_has_no_free_runs_from_the_box() -> None:
    task = Flows.at("tiny", name="chaos/flows", flow="rucklidge", train=1000, test=1000, windows=2)
    problem, data = task.problem(0), task.data(0)
    assert problem.query is not None
    assert problem.query.rollouts.keys() == {"short", "long", "windows"}
    assert problem.query.lyapunov_steps == 200
    assert "basin" not in {metric.name for metric in task.metrics}
    truth = {
        "forecast.long": np.concatenate([data["test"], data["test"]], axis=1),
        "forecast.short": data["short"][:, 100:],
        "forecast.windows": data["windows"][:, 100:],
    }
    values = task.score(truth, 0).values
    assert values["d_stsp"] == pytest.approx(task.oracle(0) / 10)
    assert values["censored"] == 1
    assert values.keys() <= {metric.name for metric in task.metrics}


def test_the_divergence_of_the_large_ring_tells_an_orbit_from_gaussian_noise() -> None:
    """Of the covariance of the data: a mixture in forty dimensions does not (it prefers the noise)."""
    task = Lorenz96Large.at("tiny", name="chaos/lorenz96_40", train=3000, test=3000, windows=2)
    data = task.data(0)
    test = data["test"][0]
    noise = np.random.default_rng(0).multivariate_normal(np.zeros(40), np.cov(test.T), 3000)
    floor = np.median([task.divergence(test, x, 0) for x in data["references"][:3]])
    assert task.divergence(test, noise, 0) > 1.2 * floor
    other = data["references"][0]
    assert mixture_divergence(test, noise) < mixture_divergence(test, other)


def test_the_field_is_sampled_once_per_unit_of_time() -> None:
    task = KuramotoSivashinsky22.at("tiny", name="chaos/ks22")
    assert task.horizon == round(15 / 0.0489)


def test_the_suite_has_twenty_flows() -> None:
    suite = load_suite("breadth")
    names = [str(task) for entry in suite.entries for task in entry.tasks]
    assert len(names) == len(set(names)) == 20
    for name in names:
        assert isinstance(resolve_task(parse(name), "tiny"), Flows)
