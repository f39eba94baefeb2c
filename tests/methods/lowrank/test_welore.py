"""WeLore's ranks against their definition, its fine-tuning against autograd, and its claim (C43), sound and broken."""

from __future__ import annotations

import pytest
import torch
from lowrank_support import assert_close, start, toy
from sensing_support import normals

from dynamark.methods.lowrank.direct import FullTraining
from dynamark.methods.lowrank.welore import FactorPair, WeLore, kept_ranks, ranks_within, truncated
from dynamark.runners.claims.catalog import shipped_claims
from dynamark.runners.claims.sensing import experiments_reduction
from dynamark.runners.claims.sensing.experiments_reduction import RankReduction, equal_shares
from dynamark.tasks.problems import Run

FLAT = torch.tensor([2.0, 1.9, 1.8, 1.0])
STEEP = torch.tensor([9.0, 2.0, 1.5, 1.2, 1.0, 1.0])


def test_a_threshold_prunes_normalized_values_and_spares_what_loses_little() -> None:
    assert kept_ranks([FLAT, STEEP], 0.0) == [4, 6]
    assert kept_ranks([FLAT, STEEP], 0.5) == [4, 1]  # three of four stay, so all four do
    assert kept_ranks([FLAT, STEEP], 0.1) == [4, 2]
    assert kept_ranks([FLAT, STEEP], 0.95) == [1, 1]
    assert kept_ranks([torch.ones(3), torch.zeros(2)], 0.7) == [3, 2]


@pytest.mark.parametrize(
    ("total", "expected"), [(10, [4, 6]), (9, [4, 3]), (6, [4, 2]), (5, [4, 1]), (4, [2, 1]), (2, [1, 1])]
)
def test_the_smallest_threshold_is_taken(total: int, expected: list[int]) -> None:
    ranks, threshold = ranks_within([FLAT, STEEP], total)
    assert ranks == expected
    assert sum(ranks) <= total
    if threshold > 0:
        assert sum(kept_ranks([FLAT, STEEP], threshold - 1e-6)) > total


def test_equal_shares_are_in_proportion_and_sum_to_the_total() -> None:
    assert equal_shares([64, 128, 10], 101) == [32, 64, 5]
    assert equal_shares([4, 6], 5) == [2, 3]
    for total in range(3, 60):
        assert sum(equal_shares([20, 30, 10], total)) == total


def test_truncation_is_the_best_approximation_and_pairs_follow_autograd() -> None:
    w, target = normals(2, 6, 5), normals(2, 6, 5, seed=9)
    f, g = truncated(w, 2)
    values = torch.linalg.svdvals(w)
    torch.testing.assert_close((f @ g - w).square().sum((1, 2)), values[:, 2:].square().sum(1))
    left, right = f.clone().requires_grad_(), g.clone().requires_grad_()
    (0.5 * (left @ right - target).square().sum()).backward()  # type: ignore[no-untyped-call]
    pair = FactorPair(f, g)
    pair.step(f @ g - target, 0.1)
    assert left.grad is not None
    assert right.grad is not None
    torch.testing.assert_close(pair.left, f - 0.1 * left.grad)
    torch.testing.assert_close(pair.right, g - 0.1 * right.grad)


def test_before_the_reduction_it_is_full_training_and_afterwards_frozen_matrices_stay() -> None:
    problem = toy()
    (full,) = FullTraining(batch=8).fit_networks([problem], [Run([0], budget=4)])
    run = Run([0], budget=4)
    network = WeLore(batch=8, tuning=1e-9, rank=2).fit_network(problem, run)
    for own, whole, rank in zip(network.factors, full.factors, (run.facts["rank_1"], run.facts["rank_2"]), strict=True):
        product = own[0] @ own[1] if len(own) == 2 else own[0]
        left, right = truncated(whole[0][None], int(rank))
        torch.testing.assert_close(product, (left @ right)[0] if len(own) == 2 else whole[0])
    assert run.facts["rank_1"] + run.facts["rank_2"] <= 4
    untouched = WeLore(batch=8, tuning=0.5, rank=7).fit_network(problem, Run([0], budget=4))
    (half,) = FullTraining(batch=8).fit_networks([problem], [Run([0], budget=2)])
    assert_close([w for (w,) in untouched.factors], [w for (w,) in half.factors])
    assert not torch.equal(untouched.biases[0], half.biases[0])
    assert not torch.equal(untouched.factors[0][0], start()[0])


def test_c43_holds_and_fails_where_the_threshold_is_turned_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: the most of the rank goes where the spectrum is flat; a gain over equal shares cannot come of that."""
    values = RankReduction(epochs=10.0).measure(Run([0])).values
    assert values["gain_70"] == pytest.approx(values["even_70"] - values["uneven_70"])
    assert values["gain_70"] > 0

    def swapped(spectra: list[torch.Tensor], total: int) -> tuple[list[int], float]:
        return [max(1, round(len(v) * share)) for v, share in zip(spectra, (0.62, 0.45, 0.1), strict=True)], 0.0

    monkeypatch.setattr(experiments_reduction, "ranks_within", swapped)
    assert RankReduction(epochs=10.0).measure(Run([0])).values["gain_50"] < 0
    monkeypatch.setattr(
        experiments_reduction, "ranks_within", lambda s, total: (equal_shares([len(v) for v in s], total), 0.0)
    )
    no_gain = RankReduction(epochs=1.0).measure(Run([0])).values["gain_50"]
    claim = shipped_claims()["C43"].claim
    for check in (*claim.checks, *claim.fair_controls):
        assert check.holds is not None
        assert not check.holds.holds(no_gain)
