"""Methods on a symmetric problem: the operator does not see the skew-symmetric part, so an estimate must have none."""

from __future__ import annotations

import pytest
import torch
from sensing_support import matrices, scores

from dynamark.methods.sensing.positive import positive
from dynamark.runners.plan.board import read_board
from dynamark.runners.registry import resolve_method, resolve_task
from dynamark.runners.spec import parse

METHODS = read_board("sensing/symmetric").methods


@pytest.mark.parametrize("method", METHODS)
def test_estimates_are_symmetric_and_positive_semidefinite(method: str) -> None:
    task = resolve_task(parse("sensing/psd(noise=0.1, condition=30.0)"), "tiny")
    for x in matrices(resolve_method(parse(method)).build(), task, seeds=1, budget=1500):
        assert float((x - x.mT).norm() / x.norm()) < 1e-3  # soft_impute: 5e-5, between two half steps
        assert float(torch.linalg.eigvalsh((x + x.mT) / 2)[0]) > -1e-3 * float(x.norm())


def test_the_projection_is_the_nearest_positive_semidefinite_matrix_of_the_rank() -> None:
    basis = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64))[0]
    matrix = (basis * torch.tensor([3.0, 2.0, 1.0, -1.0, -2.5, -4.0], dtype=torch.float64)) @ basis.mT
    for rank, eigenvalues in ((2, [3.0, 2.0]), (4, [3.0, 2.0, 1.0, 0.0])):
        f, v = positive(matrix[None], rank)
        torch.testing.assert_close(v[0].mT @ v[0], torch.eye(rank, dtype=torch.float64))
        expected = (basis[:, :rank] * torch.tensor(eigenvalues, dtype=torch.float64)) @ basis[:, :rank].mT
        torch.testing.assert_close((f @ v.mT)[0], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("method", ["riemannian_gd", "riemannian_cg", "niht", "gnmr"])
def test_an_over_specified_rank_leaves_the_rest_at_zero(method: str) -> None:
    task = resolve_task(parse("sensing/psd(fit_rank=5)"), "tiny")
    assert all(score["rel"] < 1e-6 for score in scores(resolve_method(parse(method)).build(), task))
