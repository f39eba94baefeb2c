"""Experiments on word problems: the smallest group is solved, and broken twins of L52 are not passed off as it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynamark.methods.sequence.controlled import Maps
from dynamark.runners.claims.lds.experiments_tracking import MapCounts, WordProblem
from dynamark.tasks.problems import Run

# One reflection tracks the parity of the letters: a diagonal map does.
PARITY = WordProblem(structure="diag", group="c2", states=8, steps=300, rate=3e-2, size=1.0, test=64, lengths=(12, 24))


def test_a_diagonal_map_tracks_parity() -> None:
    values = PARITY.measure(Run((0,))).values
    assert values["accuracy_24"] > 0.9
    assert values["above_bound"] == pytest.approx(values["accuracy_24"] - 1)


def test_l52_without_the_letters_is_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken twin: every letter has the same map."""
    right = Maps.of_tokens
    monkeypatch.setattr(Maps, "of_tokens", lambda self, letters: right(self, torch.zeros_like(letters)))
    assert PARITY.measure(Run((0,))).values["accuracy_24"] < 0.8


def test_l52_diagonal_maps_forget_the_order_of_letters() -> None:
    """The state of a diagonal map is unchanged when the letters are put in reverse order; that of blocks is not."""
    letters = torch.from_numpy(np.random.default_rng(0).integers(6, size=(3, 9)))
    ones, nothing = torch.ones(8).double(), torch.zeros(3, 9, 8).double()
    for kind, moved in (("diag", False), ("block", True)):
        own = Maps(kind, 6, 8, torch.Generator().manual_seed(0), 0.5).double()
        ends = [own.scan(own.of_tokens(w), nothing, ones, ones)[:, -1].detach() for w in (letters, letters.flip(1))]
        assert bool((ends[0] - ends[1]).abs().max() > 1e-10) is moved


def test_l52_counts_are_formulas() -> None:
    assert set(MapCounts(states=16, channels=2).measure(Run((0,))).values.values()) == {0.0}
