"""S5-PTD against the dense system of which its modes are the diagonal form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch

from dynamark.methods.sequence.perturbed_s5 import S5PTD, perturbed_modes
from dynamark.tasks.numerics.hippo import legs


@pytest.mark.parametrize("perturbation", ["draw", "best_of_ten", "optimized"])
def test_the_modes_are_those_of_a_matrix_at_the_stated_distance(perturbation: Any) -> None:
    poles, vectors, inverse = perturbed_modes(16, 1e-2, perturbation, np.random.default_rng(1))
    assert len(poles) == 10
    a, _ = legs(16)
    np.testing.assert_allclose(2 * np.real(vectors @ inverse), np.eye(16), atol=1e-9)
    distance = 2 * np.real(vectors * poles @ inverse) - a
    assert np.linalg.norm(distance, 2) == pytest.approx(1e-2 * np.linalg.norm(a, 2), rel=1e-6)


def test_a_better_choice_is_better_conditioned() -> None:
    def condition(perturbation: Any) -> float:
        poles, vectors, _ = perturbed_modes(16, 1e-3, perturbation, np.random.default_rng(0))
        used = np.linalg.norm(vectors, axis=0) > 0
        pairs = poles[used].imag > 0
        return float(np.linalg.cond(np.hstack([vectors[:, used], vectors[:, used][:, pairs].conj()])))

    assert condition("optimized") < condition("best_of_ten") / 2 < condition("draw") / 2


def test_the_layer_starts_as_the_dense_system_and_a_wrong_basis_does_not() -> None:
    """C e^{l step (A+E)} times the integrated B, with B, C and A + E put together from the layer's parameters."""
    method, length, step = S5PTD(states=8, size=1e-2, steps_range=(0.05, 0.05)), 25, 0.05
    layer: Any = method.layer(2, 3, length, torch.Generator().manual_seed(0)).double()
    # The draws of the layer, in its order: S5's own parameters first, then the seed of E, steps, B and C.
    draw = torch.Generator().manual_seed(0)
    for shape in ((8,), (2, 8, 2), (3, 8, 2), (2, 3)):
        (torch.rand if shape == (8,) else torch.randn)(*shape, generator=draw)
    rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=draw)))
    poles, vectors, inverse = perturbed_modes(16, 1e-2, "best_of_ten", rng)
    torch.rand(10, generator=draw)
    b = torch.randn(16, 2, generator=draw).double().numpy() / 2**0.5
    c = torch.randn(3, 16, generator=draw).double().numpy() / 4
    assert poles.real.max() < -1e-4
    matrix = 2 * np.real(vectors * poles @ inverse)
    both = scipy.linalg.expm(step * np.block([[matrix, b], [np.zeros((2, 18))]]))
    move, drive = both[:16, :16], both[:16, 16:]
    kernel = np.stack([(c @ np.linalg.matrix_power(move, k) @ drive).T for k in range(length)])
    scale = np.abs(kernel).max()
    kernel[0] += layer.d.detach().numpy()
    np.testing.assert_allclose(layer.kernel(length).detach().numpy(), kernel, atol=1e-4 * scale)
    with torch.no_grad():  # broken: the second mode of each pair is forgotten
        layer.c /= 2
    assert np.abs(layer.kernel(length).detach().numpy() - kernel).max() > 0.1 * scale


def test_real_modes_have_half_weight() -> None:
    """A count of the modes: pairs count twice and real eigenvalues once."""
    poles, vectors, _ = perturbed_modes(32, 1e-3, "draw", np.random.default_rng(4))
    used = np.linalg.norm(vectors, axis=0) > 0
    assert np.where(poles[used].imag == 0, 1, 2).sum() == 32
