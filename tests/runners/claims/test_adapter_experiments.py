"""Low-rank adapters (C38, C41, C42, C45, C46): closed forms at small size, and broken versions that must not satisfy them."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.runners.claims.sensing.experiments_adapters import (
    AdapterInvariance,
    SymmetricLimit,
    WidthScaling,
    singlora,
    singlora_limit,
)
from dynamark.runners.claims.sensing.experiments_tangent import (
    RiemannianStart,
    block_limit,
    descended,
    projected,
    tail,
)
from dynamark.runners.claims.sensing.experiments_tucker import (
    TuckerAdapters,
    expanded,
    tucker_gradients,
    tucker_kernel,
    unfolded,
)
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.truth import orthonormal

RNG = np.random.default_rng


@pytest.mark.parametrize("rows", [5, 3])
def test_the_gradient_of_one_factor_is_that_of_its_loss(rows: int) -> None:
    rng = RNG(0)
    change, a, direction = rng.standard_normal((rows, 5)), rng.standard_normal((5, 2)), rng.standard_normal((5, 2))

    def loss(factor: np.ndarray) -> float:
        return float(0.5 * np.sum((0.5 * factor[:rows] @ factor.T - change) ** 2))

    stepped = next(singlora(change, a, 1e-3, 1, ramp=2))
    slope = (loss(a + 1e-6 * direction) - loss(a - 1e-6 * direction)) / 2e-6
    assert np.sum((a - stepped) / 1e-3 * direction) == pytest.approx(slope, rel=1e-6)


def test_c38_one_factor_reaches_the_best_semidefinite_change() -> None:
    values = SymmetricLimit(n=8, rank=2, steps=1500).measure(Run([0])).values
    assert values["off"] < 1e-6
    assert values["psd"] < 1e-20
    assert values["psd_lora"] < 1e-8
    assert values["flipped"] == pytest.approx(1, abs=1e-3)
    assert values["lora"] == pytest.approx(values["tail"], abs=1e-6)
    # Broken: a limit that forgets the skew part, or the sign of the eigenvalues.
    change = RNG(1).standard_normal((8, 8))
    assert singlora_limit(change, 2) > singlora_limit((change + change.T) / 2, 2) + 1
    assert singlora_limit(-np.eye(4), 2) == pytest.approx(4)


def test_c41_one_factor_is_invariant_and_two_are_not() -> None:
    values = AdapterInvariance(n=8, rank=2).measure(Run([0])).values
    assert values["singlora"] < 1e-12
    assert values["lora"] > 0.1


def test_c42_the_best_rate_of_one_factor_falls_like_the_width() -> None:
    exponents = [
        WidthScaling(adapter, widths=(64, 1024)).measure(Run([0])).values["exponent"]  # type: ignore[arg-type]
        for adapter in ("singlora", "lora", "lora_plus")
    ]
    assert exponents == pytest.approx([-1, -1, -0.5], abs=0.25)


def test_tucker_products_and_their_gradients() -> None:
    rng = RNG(2)
    core, factors = rng.standard_normal((2, 3, 2)), [rng.standard_normal((n, r)) for n, r in ((4, 2), (3, 3), (5, 2))]
    whole = np.einsum("abc,ia,jb,kc->ijk", core, *factors)
    assert np.allclose(expanded(core, factors), whole)
    error = rng.standard_normal(whole.shape)
    for i, gradient in enumerate(tucker_gradients(error, [core, *factors])):
        parts = [core, *factors]
        direction = rng.standard_normal(parts[i].shape)
        parts[i] = parts[i] + direction
        assert np.sum(error * (expanded(parts[0], parts[1:]) - whole)) == pytest.approx(np.sum(gradient * direction))


def test_c45_each_adapter_fits_its_own_structure() -> None:
    values = TuckerAdapters((4, 5, 3), (2, 2, 1), step=0.03, steps=300).measure(Run([1001])).values
    assert values["flora_low"] < 1e-6
    assert values["lora_low_1"] == pytest.approx(values["tail_1"], rel=0.01)
    assert values["lora_control_1"] < 1e-6
    # Broken: the roles of the two changes swapped, as if one structure served both adapters.
    assert values["flora_control"] > 0.2
    assert values["size_flora"] == 4 + 8 + 10 + 3
    assert np.linalg.matrix_rank(unfolded(tucker_kernel(RNG(0), (4, 6, 3), (2, 2, 2)))) == 2


def test_the_tangent_projection_is_orthogonal() -> None:
    rng = RNG(3)
    frames = orthonormal(rng, 7, 2), orthonormal(rng, 5, 2)
    matrix = rng.standard_normal((7, 5))
    once = projected(matrix, frames)
    assert np.allclose(projected(once, frames), once)
    assert abs(np.sum(once * (matrix - once))) < 1e-12
    assert np.linalg.matrix_rank(once) == 4


def test_c46_the_start_reaches_the_limit_of_its_blocks_and_another_start_does_not() -> None:
    values = RiemannianStart(rows=12, columns=9, rank=2, spaces=50, steps=600).measure(Run([0])).values
    assert values["share_off"] < 1e-10
    assert max(values["share_leading"], values["share_random"]) < 1
    assert max(values[f"off_{i}"] for i in range(3)) < 1e-6
    assert values["limit_2"] < values["limit_1"] < values["limit_0"] < values["tail_r"]
    assert min(abs(values[f"crossed_{i}"]) for i in range(3)) > 1e-3
    # Broken: the start is not subtracted from the weights, so that descent ends at the tail of rank r.
    gradient = RNG(4).standard_normal((12, 9))
    u, s, vt = np.linalg.svd(gradient, full_matrices=False)
    frames = u[:, :2], vt[2:4].T
    losses = descended(-gradient, 10 * frames[0] @ frames[1].T, frames, 300)
    assert abs(losses[-1] - block_limit(s, 2, 10.0)) > 1e-2
    assert losses[-1] == pytest.approx(tail(s, 2), rel=1e-3)
