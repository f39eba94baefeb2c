"""Low-rank training: gradients against autograd, the steps of DLRT against their definition, behavior on digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sensing_support import normals

from dynamark.methods.lowrank.backpropagation import batches, gradients, outputs
from dynamark.methods.lowrank.direct import FullTraining, TwoFactors
from dynamark.methods.lowrank.dlrt import AdaptiveDynamicalLowRank, DynamicalLowRank, cut, new_bases
from dynamark.methods.lowrank.networks import FactoredNetwork, frames
from dynamark.tasks.problems import Run, Training
from dynamark.tasks.sensing.digits import Digits

TASK = Digits.at("tiny")


def errors(method: Any, seeds: int = 2) -> list[float]:
    problems, runs = [TASK.problem(s) for s in range(seeds)], [Run([s]) for s in range(seeds)]
    if hasattr(method, "fit_networks"):
        networks = method.fit_networks(problems, runs)
    else:
        networks = [method.fit_network(p, r) for p, r in zip(problems, runs, strict=True)]
    query = problems[0].query
    assert query is not None
    return [TASK.score({"logits": n.logits(query.inputs).numpy()}, i).values["error"] for i, n in enumerate(networks)]


def test_gradients_are_those_of_autograd() -> None:
    sizes = [(5, 4), (5, 5), (3, 5)]
    weights = [normals(2, *size, seed=i).requires_grad_() for i, size in enumerate(sizes)]
    biases = [normals(2, size[0], seed=7 + i).requires_grad_() for i, size in enumerate(sizes)]
    x, y = normals(2, 6, 4, seed=3), torch.tensor([[0, 1, 2, 0, 1, 2], [2, 2, 1, 0, 0, 1]])
    by_weight, by_bias, loss = gradients([w.detach() for w in weights], [b.detach() for b in biases], x, y)
    logits = outputs(weights, biases, x)[-1]
    own = torch.stack([torch.nn.functional.cross_entropy(a, b) for a, b in zip(logits, y, strict=True)])
    own.sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(loss, own.detach())
    for result, parameter in zip([*by_weight, *by_bias], [*weights, *biases], strict=True):
        torch.testing.assert_close(result, parameter.grad, rtol=1e-10, atol=1e-12)


def layer() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    u, v = torch.linalg.qr(normals(1, 9, 3))[0], torch.linalg.qr(normals(1, 7, 3, seed=1))[0]
    return u, normals(1, 3, 3, seed=2), v


def test_augmented_bases_hold_the_weights_and_the_steps() -> None:
    """[K, U] spans both: W is represented exactly, and so is the part of the gradient that the step moves along."""
    u, s, v = layer()
    d = normals(1, 9, 7, seed=5)
    new_u, new_s, new_v = new_bases((u, s, v), d, 0.1, augmented=True)
    assert new_u.shape[-1] == new_v.shape[-1] == 6
    torch.testing.assert_close(new_u @ new_s @ new_v.mT, u @ s @ v.mT, rtol=1e-10, atol=1e-10)
    for basis, moved in ((new_u, u @ s - 0.1 * d @ v), (new_v, v @ s.mT - 0.1 * d.mT @ u)):
        torch.testing.assert_close(basis @ (basis.mT @ moved), moved, rtol=1e-10, atol=1e-10)


def test_bases_of_fixed_rank_span_the_steps() -> None:
    u, s, v = layer()
    d = normals(1, 9, 7, seed=5)
    new_u, new_s, new_v = new_bases((u, s, v), d, 0.1, augmented=False)
    k = u @ s - 0.1 * d @ v
    torch.testing.assert_close(new_u @ (new_u.mT @ k), k, rtol=1e-10, atol=1e-10)
    projected = new_u @ new_u.mT @ (u @ s @ v.mT) @ new_v @ new_v.mT
    torch.testing.assert_close(new_u @ new_s @ new_v.mT, projected, rtol=1e-10, atol=1e-10)


def test_the_step_of_dlrt_does_not_feel_small_singular_values() -> None:
    """With S -> eps S the change of W tends to one limit; that of two factors vanishes."""
    u, s, v = layer()
    d = normals(1, 9, 7, seed=5)

    def change(eps: float) -> torch.Tensor:
        a, core, b = new_bases((u, eps * s, v), d, 0.1, augmented=True)
        return a @ (core - 0.1 * a.mT @ d @ b) @ b.mT - u @ (eps * s) @ v.mT

    assert (change(1e-6) - change(1e-3)).norm() < 0.05 * change(1e-6).norm()
    assert change(1e-6).norm() > 0.03 * d.norm()


@pytest.mark.parametrize(("tolerance", "expected"), [(0.0, 5), (0.05, 3), (0.2, 2), (0.9, 2)])
def test_the_cut_keeps_what_the_tolerance_demands(tolerance: float, expected: int) -> None:
    values = torch.tensor([1.0, 0.5, 0.1, 0.02, 0.01], dtype=torch.float64)
    u, v = torch.linalg.qr(normals(1, 9, 5))[0], torch.linalg.qr(normals(1, 8, 5))[0]
    remaining = cut((u, values.diag()[None], v), tolerance, 2, 5)
    assert remaining[1].shape[-1] == expected
    lost = (remaining[0] @ remaining[1] @ remaining[2].mT - u @ values.diag() @ v.mT).norm()
    assert lost <= max(tolerance, 1e-12) * values.norm() or expected == 2


def test_starts_have_the_same_product_and_decay() -> None:
    problem = TASK.problem(0)
    ((u, s, _), *_) = frames([problem], [Run([0])], 16, 10.0)
    torch.testing.assert_close(u.mT @ u, torch.eye(16, dtype=torch.float64)[None])
    values = s[0].diagonal()
    assert values[8] < 1e-7 * values[0]
    assert [f[1].shape[-1] for f in frames([problem], [Run([0])], 16, 1.0)] == [16, 16, 10]


def test_every_epoch_shows_every_sample_at_most_once() -> None:
    problem = Training(torch.arange(10.0, dtype=torch.float64)[:, None], torch.zeros(10, dtype=torch.long), (1, 2))
    seen = [x[0, :, 0].tolist() for x, _ in batches([problem], [Run([0])], 6, 3)]
    assert len({i for own in seen[:3] for i in own}) == 9
    assert seen[:3] != seen[3:]


def test_full_training_learns_digits_and_truncation_costs() -> None:
    full, short = errors(FullTraining()), errors(FullTraining(truncate=True))
    assert max(full) < 0.08
    assert min(short) > max(full)


def test_a_decaying_start_stalls_two_factors_more_than_dlrt() -> None:
    """C22 with five seeds: the gap is 28 points here, and its standard deviation over seeds 12."""
    stalled, moving = (np.mean(errors(method, 5)) for method in (TwoFactors(decay=1.5), DynamicalLowRank(decay=1.5)))
    assert stalled > moving + 0.05


def test_larger_tolerances_compress_more() -> None:
    problem = TASK.problem(0)
    collected = []
    for theta in (0.05, 0.3):
        run = Run([0])
        network = AdaptiveDynamicalLowRank(theta=theta, epochs=4.0).fit_network(problem, run)
        assert network.parameter_count() < 26_122
        collected.append(run.facts)
    assert collected[1]["compression"] > collected[0]["compression"]
    assert collected[1]["rank_2"] < collected[0]["rank_2"]


def test_members_do_not_depend_on_their_neighbors() -> None:
    problems = [TASK.problem(s) for s in range(3)]

    def fit(members: list[int]) -> FactoredNetwork:
        return DynamicalLowRank(epochs=1.0).fit_networks([problems[i] for i in members], [Run([i]) for i in members])[0]

    one, other = fit([0, 0]), fit([0, 1, 2])
    for a, b in zip(one.factors, other.factors, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_digits_are_split_in_proportion() -> None:
    data = TASK.data(3)
    assert (len(data["train_labels"]), len(data["test_labels"])) == (1347, 450)
    assert np.ptp(np.bincount(data["test_labels"].astype(int))) <= 3
    assert np.array_equal(data["test"], TASK.data(0)["test"])
    assert 0.85 < TASK.baseline(0) < 0.95
    bad = np.full((450, 10), np.nan)
    assert TASK.score({"logits": bad}, 0).values == {"error": 1.0, "cross_entropy": 100.0}
    right = 50.0 * np.eye(10)[data["test_labels"].astype(int)]
    assert TASK.score({"logits": right}, 0).values["error"] == 0


def test_a_start_from_he_is_the_leading_part_of_his_matrix() -> None:
    problem = TASK.problem(0)
    ((u, s, v), *_) = frames([problem], [Run([5])], 16, 1.0, "he")
    full = torch.randn(128, 64, generator=Run([5]).generator, dtype=torch.float64) * (2 / 64) ** 0.5
    a, values, bt = torch.linalg.svd(full)
    torch.testing.assert_close((u @ s @ v.mT)[0], a[:, :16] * values[:16] @ bt[:16])
