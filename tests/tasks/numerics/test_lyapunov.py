"""Lyapunov spectra of maps whose exponents are known, and the Kaplan-Yorke dimension."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from dynamark.tasks.numerics.integrators import rk4_jacobian, rk4_step
from dynamark.tasks.numerics.lyapunov import kaplan_yorke, lyapunov_spectrum
from dynamark.tasks.problems import Trajectories


@dataclass
class Linear:
    matrix: Tensor

    def initial_state(self, context: Trajectories) -> Tensor:
        return context.observations[:, -1]

    def step(self, x: Tensor) -> Tensor:
        return x @ self.matrix.T

    def jacobian(self, x: Tensor) -> Tensor:
        return self.matrix.expand(len(x), -1, -1)


class Henon(Linear):
    def step(self, x: Tensor) -> Tensor:
        return torch.stack([1 - 1.4 * x[:, 0] ** 2 + x[:, 1], 0.3 * x[:, 0]], dim=1)

    def jacobian(self, x: Tensor) -> Tensor:
        zero = torch.zeros_like(x[:, 0])
        rows = [torch.stack([-2.8 * x[:, 0], zero + 1], -1), torch.stack([zero + 0.3, zero], -1)]
        return torch.stack(rows, dim=1)


def contexts(count: int, dim: int) -> Trajectories:
    g = torch.Generator().manual_seed(0)
    return Trajectories(0.1 * torch.randn(count, 1, dim, generator=g, dtype=torch.float64))


def test_a_linear_map_has_the_logarithms_of_its_moduli() -> None:
    g = torch.Generator().manual_seed(1)
    matrix = 0.5 * torch.randn(4, 4, generator=g, dtype=torch.float64)
    moduli = torch.linalg.eigvals(matrix).abs().log().sort(descending=True).values
    spectrum = lyapunov_spectrum(Linear(matrix), contexts(3, 4), 4000, burn_in=0)
    assert spectrum.shape == (3, 4)
    torch.testing.assert_close(spectrum, moduli.expand(3, -1), atol=2e-3, rtol=0)


def test_henon_has_its_known_exponents() -> None:
    """0.419 and ln 0.3 - 0.419: their sum is the logarithm of the determinant, exactly."""
    spectrum = lyapunov_spectrum(Henon(torch.empty(0)), contexts(8, 2), 4000)
    assert float(spectrum[:, 0].mean()) == pytest.approx(0.419, abs=0.004)
    torch.testing.assert_close(spectrum.sum(1), torch.full((8,), 0.3, dtype=torch.float64).log())


def test_fewer_factorizations_and_fewer_exponents_give_the_same() -> None:
    full = lyapunov_spectrum(Henon(torch.empty(0)), contexts(3, 2), 600)
    some = lyapunov_spectrum(Henon(torch.empty(0)), contexts(3, 2), 600, every=3)
    first = lyapunov_spectrum(Henon(torch.empty(0)), contexts(3, 2), 600, count=1)
    torch.testing.assert_close(some, full, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(first, full[:, :1], rtol=1e-9, atol=1e-9)


def test_a_tangent_spares_the_jacobian() -> None:
    class Spared(Henon):
        def tangent(self, x: Tensor, vectors: Tensor) -> Tensor:
            return Henon.jacobian(self, x) @ vectors

        def jacobian(self, x: Tensor) -> Tensor:
            raise AssertionError

    spectrum = lyapunov_spectrum(Spared(torch.empty(0)), contexts(2, 2), 50)
    torch.testing.assert_close(spectrum, lyapunov_spectrum(Henon(torch.empty(0)), contexts(2, 2), 50))


def test_an_orbit_that_blows_up_is_nan_and_the_others_are_not() -> None:
    start = contexts(3, 2).observations.clone()
    start[1] = 50.0
    spectrum = lyapunov_spectrum(Henon(torch.empty(0)), Trajectories(start), 300)
    assert spectrum[1].isnan().all()
    assert spectrum[[0, 2]].isfinite().all()


@pytest.mark.parametrize(
    ("exponents", "dimension"),
    [
        ([0.9, 0.0, -14.57], 2 + 0.9 / 14.57),
        ([-0.1, -0.2], 0.0),
        ([0.2, 0.1], 2.0),
        ([0.0, -0.07, -0.5], 1.0),
        ([0.5, -0.5, -2.0], 2.0),
        ([-2.0, 0.4, -0.3], 2 + 0.1 / 2),
    ],
)
def test_kaplan_yorke(exponents: list[float], dimension: float) -> None:
    assert kaplan_yorke(torch.tensor(exponents, dtype=torch.float64)) == pytest.approx(dimension, abs=1e-12)


def test_the_jacobian_of_a_runge_kutta_step_is_that_of_autograd() -> None:
    def field(x: Tensor) -> Tensor:
        return torch.stack([x[..., 1] ** 2 - x[..., 0], torch.sin(x[..., 0])], dim=-1)

    def slope(x: Tensor) -> Tensor:
        rows = [torch.stack([-torch.ones_like(x[..., 0]), 2 * x[..., 1]], -1)]
        rows.append(torch.stack([torch.cos(x[..., 0]), torch.zeros_like(x[..., 0])], -1))
        return torch.stack(rows, dim=-2)

    x = contexts(5, 2).observations[:, 0]

    def three(y: Tensor) -> Tensor:
        return rk4_jacobian(field, slope, y, 0.2, 3)[0]

    end, jacobian = rk4_jacobian(field, slope, x, 0.2, 3)
    plain = x.numpy()
    for _ in range(3):
        plain = rk4_step(lambda y: field(torch.from_numpy(y)).numpy(), plain, 0.2)
    np.testing.assert_allclose(end.numpy(), plain, rtol=1e-12)
    torch.testing.assert_close(jacobian, torch.func.vmap(torch.func.jacrev(three))(x))
