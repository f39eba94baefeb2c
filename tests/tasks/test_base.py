"""What every task shares: tiers, digests, independent streams."""

from __future__ import annotations

import numpy as np
import pytest
from plugins.walk import Walk

from dynamark.errors import UserError


def test_tiers_set_parameters_and_fields_override_them() -> None:
    assert Walk.at("tiny").fields()["length"] == 10
    assert Walk.at("standard").fields()["length"] == 20
    assert Walk.at("tiny", length=3).fields() == {"tier": "tiny", "length": 3, "noise": 0.0}


def test_unknown_tiers_and_parameters_are_refused() -> None:
    with pytest.raises(UserError, match="unknown tier"):
        Walk.at("huge")
    with pytest.raises(UserError, match="Walk has no parameter 'size'; it has: length, noise"):
        Walk.at("tiny", size=3)


def test_the_digest_follows_everything_that_the_instance_is() -> None:
    walks = [
        Walk(name="a"),
        Walk(name="b"),
        Walk(name="a", tier="tiny"),
        Walk(name="a", salt="x"),
        Walk(name="a", noise=0.1),
    ]
    assert len({walk.digest for walk in walks}) == len(walks)
    assert Walk(name="a").digest == walks[0].digest


def test_streams_are_independent_by_seed_axis_path_and_task() -> None:
    walk = Walk(name="a")
    streams = [
        walk.rng(0),
        walk.rng(1),
        walk.rng(0, "method"),
        walk.rng(0, "data", 0),
        walk.rng(0, "data", 1),
        Walk(name="b").rng(0),
    ]
    assert len({float(rng.standard_normal()) for rng in streams}) == len(streams)


def test_the_numbers_of_a_seed_never_change() -> None:
    """Published rows rest on them."""
    drawn = Walk(name="a").rng(0).integers(0, 1000, 4)
    np.testing.assert_array_equal(
        drawn, np.random.default_rng(np.random.SeedSequence(Walk(name="a").entropy(0, "data"))).integers(0, 1000, 4)
    )
    assert Walk(name="a").entropy(0, "data")[-1] == 0
