"""Responses of systems that are diagonal plus low rank: against dense matrices, and gradients against recorded operations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from dynamark.tasks.numerics import compiling
from dynamark.tasks.numerics.cauchy import resolvent_response

POINTS = torch.complex(torch.linspace(0.2, 3, 7, dtype=torch.float64), torch.linspace(-4, 5, 7, dtype=torch.float64))


def system(rank: int, outputs: int, *batch: int) -> tuple[Tensor, Tensor, Tensor]:
    """Poles in the left half plane, rows (C, P) and columns (B, P*)."""
    draw = torch.Generator().manual_seed(rank)
    poles, c, p, b = (
        torch.randn(*batch, *shape, 5, dtype=torch.complex128, generator=draw)
        for shape in ((), (outputs,), (rank,), (1,))
    )
    poles = torch.complex(-poles.real.abs() - 0.05, 3 * poles.imag)
    return poles, torch.cat([c, p], dim=-2), torch.cat([b, p.conj()], dim=-2)


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_it_is_the_resolvent_of_the_dense_matrix(rank: int) -> None:
    poles, rows, columns = system(rank, 2)
    full, both, ends = (torch.cat([part, part.conj()], dim=-1).numpy() for part in (poles, rows, columns))
    matrix = np.diag(full) - ends[1:].T @ both[2:]
    expected = [both[:2] @ np.linalg.solve(g * np.eye(10) - matrix, ends[0]) for g in POINTS.numpy()]
    np.testing.assert_allclose(resolvent_response(POINTS, poles, rows, columns), np.array(expected).T, rtol=1e-11)


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
@pytest.mark.parametrize("outputs", [1, 2])
def test_its_gradients_are_those_of_recorded_operations(
    rank: int, outputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [part.requires_grad_() for part in system(rank, outputs, 3, 2)]
    weight = torch.randn(outputs, 7, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))
    results = []
    for compiled in (True, False):
        monkeypatch.setattr(compiling, "available", lambda compiled=compiled: compiled)
        response = torch.func.vmap(lambda *parts: resolvent_response(POINTS, *parts))(*inputs)
        results.append([response, *torch.autograd.grad((weight * response).sum().abs().square(), inputs)])
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-11 * float(expected.detach().abs().max()))


def test_a_system_does_not_depend_on_its_neighbors() -> None:
    together = resolvent_response(POINTS, *system(2, 1, 4))
    alone = torch.stack([resolvent_response(POINTS, *(part[i] for part in system(2, 1, 4))) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=0, atol=0)
