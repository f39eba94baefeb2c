"""Experiments on random recurrent maps: kernels against sums over words, spectra against closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from dynamark.methods.sequence.controlled import Maps
from dynamark.runners.claims.lds.experiments_connectivity import recurrent_matrix
from dynamark.runners.claims.lds.experiments_signatures import SignatureKernel, signature_kernel
from dynamark.tasks.problems import Run


def signature(path: np.ndarray) -> dict[tuple[int, ...], float]:
    """All iterated sums over strictly increasing times, by the definition."""
    out: dict[tuple[int, ...], float] = {}
    for level in range(len(path) + 1):
        for word in itertools.product(range(path.shape[1]), repeat=level):
            times = itertools.combinations(range(len(path)), level)
            out[word] = sum(float(np.prod([path[t, i] for t, i in zip(chosen, word, strict=True)])) for chosen in times)
    return out


def test_the_kernel_is_the_product_of_signatures() -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 4, 2))
    first, second = signature(x), signature(y)
    assert signature_kernel(x, y) == pytest.approx(sum(first[word] * second[word] for word in first), rel=1e-12)


def test_l51_the_mean_product_of_states_is_the_kernel_and_of_diagonal_maps_is_not() -> None:
    """The mean over draws; broken twin: maps that commute."""
    results = {}
    for kind in ("dense", "diag"):
        draws = [SignatureKernel(kind, width=32, length=6).measure(Run((s,))).values for s in range(150)]  # type: ignore[arg-type]
        errors = np.array([row["error"] for row in draws])
        results[kind] = abs(errors.mean()) / (errors.std() / len(errors) ** 0.5)
        assert (draws[0]["reversal"] < 1e-10) is (kind == "diag")
    assert results["dense"] < 3 < results["diag"]


def test_the_pair_of_paths_is_the_same_for_every_seed_and_scale() -> None:
    narrow, wide = (SignatureKernel(scale=scale).increments() for scale in (1.0, 1.5))
    np.testing.assert_allclose(1.5 * narrow[0][:, 1:], wide[0][:, 1:])
    assert signature_kernel(*wide) >= 10
    with torch.no_grad():
        assert Maps("dense", 3, 256, torch.Generator().manual_seed(0), 1.0).dense().var() == pytest.approx(
            1 / 256, rel=0.02
        )


def test_l36_the_matrix_has_its_rank_its_variance_and_its_mask() -> None:
    w = recurrent_matrix(128, 4, 0.0, np.random.default_rng(0))
    assert np.linalg.matrix_rank(w) == 4
    assert w.var() == pytest.approx(4 * 4 / (128 + 4) ** 2, rel=0.2)
    masked = recurrent_matrix(128, 4, 0.9, np.random.default_rng(0))
    assert np.mean(masked != 0) == pytest.approx(0.1, abs=0.01)
    np.testing.assert_array_equal(masked[masked != 0], w[masked != 0])
