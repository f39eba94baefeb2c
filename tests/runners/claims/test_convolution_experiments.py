"""Low-rank training of convolutions (C48): its network, its steps, and broken versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from claims_support import index_of, rows_for
from sensing_support import normals
from torch.nn import functional

from dynamark.methods.lowrank import convolution
from dynamark.methods.lowrank.convolution import SIZES, ConvolutionalNetwork, convolved, train_full, train_low_rank
from dynamark.runners.claims.catalog import shipped_claims
from dynamark.runners.claims.sensing.experiments_convolutions import ConvolutionalDigits
from dynamark.runners.claims.verdicts import evaluate
from dynamark.tasks.problems import Run, Training
from dynamark.tasks.sensing.digits import Digits

BUDGET = {"rate": 0.1, "batch": 64}


def small() -> Training:
    problem = Digits().problem(0)
    return replace(problem, inputs=problem.inputs[:256], labels=problem.labels[:256])


def parts() -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor]:
    weights = [normals(*size, seed=i) / size[1] ** 0.5 for i, size in enumerate(SIZES)]
    return weights, [normals(size[0], seed=9) for size in SIZES], normals(5, 1, 8, 8, seed=10)


def test_a_kernel_is_a_matrix_on_patches() -> None:
    weights, biases, x = parts()
    expected = x
    for w, b in zip(weights[:2], biases[:2], strict=True):
        expected = (w @ functional.unfold(expected, 3, padding=1) + b[:, None]).relu().view(5, len(w), 8, 8)
    expected = expected.view(5, 16, 4, 2, 4, 2).amax((3, 5)).flatten(1)
    hidden = (expected @ weights[2].T + biases[2]).relu()
    assert torch.allclose(convolved(weights, biases, x), hidden @ weights[3].T + biases[3])


def test_low_rank_is_a_convolution_with_fewer_filters_and_one_of_size_one() -> None:
    left, right, x = normals(16, 3), normals(3, 72, seed=1), normals(2, 8, 8, 8, seed=2)
    whole = functional.conv2d(x, (left @ right).view(16, 8, 3, 3), padding=1)
    inner = functional.conv2d(x, right.view(3, 8, 3, 3), padding=1)
    assert torch.allclose(functional.conv2d(inner, left[..., None, None]), whole)


def test_at_full_rank_it_is_gradient_descent_on_full_matrices() -> None:
    """The augmented bases hold the gradient, so that no step is projected and nothing is cut."""
    full = train_full(small(), Run([0]), epochs=2.0, **BUDGET)  # type: ignore[arg-type]  # batch is an integer
    low = train_low_rank(small(), Run([0]), 0.0, epochs=2.0, caps={1: 16, 2: 64}, **BUDGET)  # type: ignore[arg-type]
    for one, other in zip(full.networks[-1].factors, low.networks[-1].factors, strict=True):
        assert torch.allclose(one[0], other[0] if len(other) == 1 else other[0] @ other[1], atol=1e-9)
    assert full.losses == pytest.approx(low.losses)
    assert full.losses[1] < full.losses[0]


@pytest.mark.parametrize(("ranks", "share"), [((8, 32), 0.359), ((2, 2), 0.911)])
def test_parameters_of_all_layers_count(ranks: tuple[int, int], share: float) -> None:
    factors = [(normals(*size),) for size in SIZES]
    for i, rank in zip((1, 2), ranks, strict=True):
        factors[i] = (normals(SIZES[i][0], rank), normals(rank, SIZES[i][1]))  # type: ignore[assignment]  # two factors
    network = ConvolutionalNetwork(tuple(factors), tuple(normals(size[0]) for size in SIZES))
    assert network.compression() == pytest.approx(share, abs=5e-4)
    assert convolution.FULL == 18_346


def test_a_broken_cut_saves_what_the_caps_save(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without truncation the ranks stay at their caps; with it they fall, less so for shuffled labels."""
    values = ConvolutionalDigits(epochs=4.0, thetas=(0.3,), shuffled=0.3).measure(Run([0])).values
    assert values["saved_30"] > 0.4
    assert values["rank_gain"] == values["rank_shuffled"] - values["rank_convolution_30"] - values["rank_dense_30"]
    exact = convolution.cut
    monkeypatch.setattr(convolution, "cut", lambda layer, tolerance, least, most: exact(layer, 0.0, least, most))
    values = ConvolutionalDigits(epochs=1.0, thetas=(0.3,), shuffled=0.3).measure(Run([0])).values
    assert values["saved_30"] == pytest.approx(0.359, abs=5e-4)


GOOD = {"saved_20": 0.65, "lost_20": 0.2, "saved_30": 0.8, "lost_30": 2.0, "rank_gain": 9.0, "full_last_loss": 0.01}
NEAR_HALF = {f"{name}_{theta}": 0.0 for name in ("change_half", "compression_half") for theta in (20, 30)}
LOSSES = {f"{name}_{theta}": 0.05 for name in ("last_loss", "loss_half") for theta in (20, 30)}


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "reproduced"),
        ({"saved_20": 0.359}, "not reproduced"),
        ({"lost_30": 5.0}, "not reproduced"),
        ({"rank_gain": 0.0}, "confounded"),
        ({"change_half_20": -0.7}, "inconclusive"),
        ({"saved_20": 0.359, "compression_half_20": 0.05}, "inconclusive"),
        ({"loss_half_30": 0.1}, "inconclusive"),
        ({"full_last_loss": 0.5}, "inconclusive"),
    ],
)
def test_c48_decides_only_once_the_networks_are_converged(changed: Mapping[str, float], verdict: str) -> None:
    listed = shipped_claims()["C48"]
    values = {"full_change_half": 0.0, "full_loss_half": 0.012} | GOOD | NEAR_HALF | LOSSES | changed

    def scores(config: Mapping[str, Any], seed: int) -> Mapping[str, float]:
        return values

    assert evaluate(listed, index_of(*rows_for(listed.claim.needs, scores))).verdict == verdict
