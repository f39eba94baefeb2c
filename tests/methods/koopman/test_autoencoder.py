"""Koopman autoencoders: re-encoding, clipping, cohorts, and that training learns."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from koopman_problems import linear_paths, posed, slow_manifold, spectral_gap

from dynamark.methods.koopman.autoencoder import KoopmanAutoencoder
from dynamark.methods.koopman.lifted import LiftedModel, best_relift, clipped
from dynamark.methods.koopman.networks import Scaling, windows
from dynamark.tasks.problems import Run, Trajectories

SMALL = KoopmanAutoencoder(latent=4, hidden=(12,), window=4, steps=60, batch=16, reencode_every=0)


def fit(method: KoopmanAutoencoder, seeds: list[int], train: torch.Tensor | None = None) -> list[LiftedModel]:
    problem = posed(slow_manifold(30, 20) if train is None else train)
    return method.fit_forecasters([problem] * len(seeds), [Run((s,)) for s in seeds])


def test_a_member_has_the_same_bits_whatever_its_neighbors() -> None:
    alone, together = fit(SMALL, [3, 3])[0], fit(SMALL, [1, 3, 2])[1]
    start = Trajectories(slow_manifold(5, 1, seed=1)[:, :1])
    assert torch.equal(alone.matrix, together.matrix)
    assert torch.equal(alone.forecast(start, 9), together.forecast(start, 9))
    assert not torch.equal(alone.matrix, fit(SMALL, [4, 4])[0].matrix)


def test_training_learns_a_contraction() -> None:
    contraction = torch.tensor([[0.9, 0.1], [-0.1, 0.9]], dtype=torch.float64)
    train, unseen = linear_paths(contraction, 60, 20), linear_paths(contraction, 10, 10, seed=1)
    # Errors of ten seeds, in standard deviations: .075 to .18 with a median of .13, and untrained .87 to 1.07.
    medians = []
    for steps in (250, 1):
        models = fit(dataclasses.replace(SMALL, steps=steps, rate=1e-2), [0, 1, 2, 3, 4], train)
        gaps = [model.forecast(Trajectories(unseen[:, :1]), 10) - unseen[:, 1:] for model in models]
        medians.append(np.median([float(gap.square().mean().sqrt() / unseen.std()) for gap in gaps]))
    assert medians[0] < 0.25
    assert medians[1] > 0.5


def test_reencoding_every_step_iterates_decode_step_encode() -> None:
    model = dataclasses.replace(fit(SMALL, [0, 1])[0], relift=1)
    x = slow_manifold(3, 1, seed=1)[:, 0]
    forecast = model.forecast(Trajectories(x[:, None]), 4)
    for n in range(4):
        x = model.decode(model.lift(x) @ model.matrix)
        np.testing.assert_allclose(forecast[:, n], x, atol=1e-13)


def test_validation_chooses_the_period_of_least_error() -> None:
    model, held_out = fit(SMALL, [0, 1])[0], Trajectories(slow_manifold(20, 12, seed=5))
    start = Trajectories(held_out.observations[:, :1])
    errors = {
        k: float(
            (dataclasses.replace(model, relift=k).forecast(start, 12) - held_out.observations[:, 1:]).square().mean()
        )
        for k in (0, 1, 5)
    }
    assert best_relift(model, held_out, (0, 1, 5)) == min(errors, key=lambda k: errors[k])
    assert best_relift(model, Trajectories(held_out.observations[:, :2]), (5, 25)) == 0


def test_clipping_bounds_moduli_and_leaves_the_rest() -> None:
    draw = torch.randn(6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    before, after = torch.linalg.eigvals(draw), torch.linalg.eigvals(clipped(draw))
    assert before.abs().max() > 1.2
    assert spectral_gap(after, before / before.abs().clamp(min=1)) < 1e-9
    stable = draw / (1.01 * before.abs().max())
    np.testing.assert_allclose(clipped(stable), stable, atol=1e-12)


def test_the_model_counts_its_floats() -> None:
    model = fit(SMALL, [0, 1])[0]
    encoder = (2 * 12 + 12) + (12 * 4 + 4)
    decoder = (4 * 12 + 12) + (12 * 2 + 2)
    assert model.parameter_count() == encoder + decoder + 16 + 4


def test_scaling_is_undone() -> None:
    train = slow_manifold(30, 20)
    scale = Scaling(Trajectories(train))
    u = scale(train)
    np.testing.assert_allclose(u.flatten(0, 1).std(0), 1.0, rtol=1e-12)
    np.testing.assert_allclose(scale.back(u), train, atol=1e-14)


def test_windows_are_pieces_of_trajectories() -> None:
    paths = torch.arange(40.0).reshape(4, 10, 1)
    drawn = windows(paths, 3, 200, torch.Generator().manual_seed(0))[..., 0]
    assert torch.equal(drawn[:, 1:] - drawn[:, :-1], torch.ones(200, 2))
    assert set(drawn[:, 0].long().tolist()) == {10 * i + j for i in range(4) for j in range(8)}
    assert windows(paths, 99, 2, torch.Generator().manual_seed(0)).shape == (2, 10, 1)
