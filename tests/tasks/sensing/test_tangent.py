"""Least squares on the tangent space without a design matrix, against its decomposition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynamark.runners.registry import resolve_task
from dynamark.runners.spec import parse
from dynamark.tasks.sensing import tasks
from dynamark.tasks.sensing.oracles import tangent_least_squares
from dynamark.tasks.sensing.tangent import tangent_cgls


@pytest.mark.parametrize(
    "text", ["sensing/completion(noise=0.1)", "sensing/asymmetric(noise=0.1)", "sensing/coherent(noise=0.1)"]
)
def test_conjugate_gradients_agree_with_the_decomposition(text: str) -> None:
    task = resolve_task(parse(text), "tiny")
    data = task.data(0)
    y = torch.from_numpy(np.array(data["y"]))
    given = (task.operator(0), y, data["left"], data["right"])
    left, right = tangent_cgls(*given)
    expected = tangent_least_squares(*given, symmetric=False)
    assert np.linalg.norm(left @ right.T - expected[0] @ expected[1].T) <= 1e-9 * np.linalg.norm(
        expected[0] @ expected[1].T
    )


def test_large_problems_are_not_decomposed(monkeypatch: pytest.MonkeyPatch) -> None:
    task = resolve_task(parse("sensing/completion(noise=0.1)"), "tiny")
    decomposed = task.oracle(0)
    monkeypatch.setattr(tasks, "_LARGE", 1)
    monkeypatch.delattr(tasks.oracles, "tangent_least_squares")
    assert task.oracle(0) == pytest.approx(decomposed, rel=1e-9)


def test_what_does_not_converge_raises() -> None:
    task = resolve_task(parse("sensing/completion(noise=0.1)"), "tiny")
    data = task.data(0)
    with pytest.raises(RuntimeError, match="did not converge in 2 steps"):
        tangent_cgls(task.operator(0), torch.from_numpy(np.array(data["y"])), data["left"], data["right"], steps=2)
