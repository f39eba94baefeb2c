"""EGGROLL against a loop over members whose perturbations are formed, and against the gradient."""

from __future__ import annotations

import pytest
import torch
from lowrank_support import start, toy
from sensing_support import normals
from torch import Tensor

from dynamark.methods.lowrank.backpropagation import gradients
from dynamark.methods.lowrank.evolution import EvolutionStrategy, Noise, estimate, losses, standardized
from dynamark.runners.claims.sensing.experiments_evolution import EvolvedDigits
from dynamark.tasks.problems import Run

BIASES = [0.1 * normals(n, seed=n) for n in (7, 3)]


def drawn(pairs: int, rank: int | None) -> list[Noise]:
    run = Run([3])
    return [Noise.draw(w, pairs, rank, run) for w in start()]


def formed(noise: Noise, k: int) -> Tensor:
    return noise.right[k] if noise.left is None else noise.left[k] @ noise.right[k].T


@pytest.mark.parametrize("rank", [1, 2, None])
def test_losses_and_estimate_are_those_of_formed_perturbations(rank: int | None) -> None:
    problem, weights, noise, sigma = toy(), start(), drawn(3, rank), 0.3
    values = losses(weights, BIASES, noise, sigma, problem.inputs, problem.labels)
    assert values.shape == (2, 3)
    for sign in (0, 1):
        for k in range(3):
            s = sigma * (1 - 2 * sign)
            moved = [w + s * formed(n, k) for w, n in zip(weights, noise, strict=True)]
            biases = [b + s * n.bias[k] for b, n in zip(BIASES, noise, strict=True)]
            h = torch.relu(problem.inputs @ moved[0].T + biases[0]) @ moved[1].T + biases[1]
            torch.testing.assert_close(values[sign, k], torch.nn.functional.cross_entropy(h, problem.labels))
    scores = standardized(-values)
    for (by_weight, by_bias), own in zip(estimate(scores, noise, sigma), noise, strict=True):
        both = [(scores[0, k] - scores[1, k]) * sigma / 6**0.5 for k in range(3)]
        torch.testing.assert_close(by_weight, sum(z * formed(own, k) for k, z in enumerate(both)))
        torch.testing.assert_close(by_bias, sum(z * own.bias[k] for k, z in enumerate(both)))


@pytest.mark.parametrize("rank", [1, None])
def test_many_small_perturbations_point_along_the_gradient(rank: int | None) -> None:
    problem, weights = toy(), start()
    noise = drawn(4000, rank)
    values = losses(weights, BIASES, noise, 1e-3, problem.inputs, problem.labels)
    ascent = estimate(standardized(-values), noise, 1e-3)
    by_weight, by_bias, _ = gradients(
        [w[None] for w in weights], [b[None] for b in BIASES], problem.inputs[None], problem.labels[None]
    )
    exact = torch.cat([d.flatten() for d in (*by_weight, *by_bias)])
    actual = torch.cat([*(w.flatten() for w, _ in ascent), *(b for _, b in ascent)])
    assert float(torch.cosine_similarity(-actual, exact, dim=0)) > 0.95


def test_entries_of_a_perturbation_have_variance_one_at_every_rank() -> None:
    """The scale 1/r in place of r^{-1/2} would make them 1/r: C33 and this fail."""
    for rank in (1, 4):
        noise = Noise.draw(torch.zeros(20, 30, dtype=torch.float64), 200, rank, Run([0]))
        assert noise.left is not None
        assert float((noise.left @ noise.right.mT).square().mean()) == pytest.approx(1, abs=0.05)


def test_equal_scores_move_nothing() -> None:
    assert not standardized(torch.full((2, 4), 3.0)).any()


def test_evolution_learns_and_counts_its_losses() -> None:
    problem, run = toy(200), Run([0], budget=60)
    network = EvolutionStrategy(rate=0.05, population=40, batch=100, epochs=100.0).fit_network(problem, run)
    assert float((network.logits(problem.inputs).argmax(1) == problem.labels).double().mean()) > 0.85
    assert run.facts == {"gradients": 0.0, "evaluations": 60 * 40}


def test_c47_measures_both_kinds_of_noise() -> None:
    values = EvolvedDigits(populations=(16, 32), generations=5, batch=64).measure(Run([0])).values
    assert values["gap_32"] == values["error_low_rank_32"] - values["error_full_32"]
    assert values["seconds"] > 0
