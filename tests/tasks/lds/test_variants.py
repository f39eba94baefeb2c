"""Known responses, the delay of band-limited noise, and switching systems."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.errors import UserError
from dynamark.tasks.lds.delay import DelayedNoise
from dynamark.tasks.lds.responses import KnownResponse
from dynamark.tasks.lds.switching import Switching


@pytest.mark.parametrize("frequency", [0.0, 0.4])
def test_known_responses_are_what_they_say(frequency: float) -> None:
    task = KnownResponse.at("tiny", decay=0.9, frequency=frequency)
    data, s = task.data(0), np.arange(task.length)
    k = 0.9**s * np.cos(frequency * s)
    k /= np.sqrt(np.sum((task.length - s) * k**2) / task.length)  # output power 1
    np.testing.assert_allclose(data["markov"][:, 0, 0], k, atol=1e-13)
    y = np.array([np.convolve(u[:, 0], k)[: task.length] for u in data["train.u"]])
    np.testing.assert_allclose(data["train.y"][..., 0], y, atol=1e-11)
    np.testing.assert_array_equal(task.data(1)["markov"], data["markov"])


def test_delayed_noise_is_band_limited_and_delayed() -> None:
    task = DelayedNoise.at("tiny")
    data = task.data(0)
    u, y = data["train.u"][..., 0], data["train.y"][..., 0]
    np.testing.assert_array_equal(y[:, task.lag :], u[:, : -task.lag])
    assert not y[:, : task.lag].any()
    power = np.mean(np.abs(np.fft.rfft(u)) ** 2, axis=0)
    beyond = np.fft.rfftfreq(task.length) > task.cycles / task.lag + 1e-9
    assert power[beyond].max() < 1e-20 * power.max()
    assert np.mean(u**2) == pytest.approx(1.0, rel=0.1)
    assert power[~beyond][1:].min() > 0.1 * power.max()
    truth = {"forecast.simulation": data["test.y"]}
    assert task.score(truth, 0).values["nmse"] == task.oracle(0) == 0
    nothing = {"forecast.simulation": np.zeros_like(data["test.y"])}
    assert task.score(nothing, 0).values["nmse"] == task.baseline(0) == 1
    with pytest.raises(UserError, match="cycles"):
        DelayedNoise.at("tiny", cycles=40)


def test_a_switching_sequence_follows_its_regimes() -> None:
    task = Switching.at("tiny", noise="n0")
    data, systems, cuts = task.data(0), task.systems(0), task.cuts(0)
    assert cuts[0] == 0
    assert (np.diff([*cuts, task.length]) >= task.distance).all()
    x, regime = np.zeros((task.order, 1)), -1
    for t in range(task.length):
        regime += t in cuts
        x = systems[regime].advance(x) + systems[regime].b * data["u"][0, t]
        assert data["y"][0, t, 0] == pytest.approx(float((systems[regime].c @ x)[0, 0]), abs=1e-10)
    np.testing.assert_array_equal(data["y"], data["clean"])
    task = Switching.at("standard")
    noisy = task.data(0)
    assert np.std(noisy["y"] - noisy["clean"]) == pytest.approx(0.1, rel=0.05)
    # The comparator knows the regimes: its loss is the noise's, and it has no regret over itself.
    assert task.score({"prediction": task.best(0)}, 0).values["regret"] == 0
    np.testing.assert_array_equal(task.best(0), noisy["clean"])
    with pytest.raises(UserError, match="do not fit"):
        Switching.at("tiny", length=1000)
    with pytest.raises(UserError, match="measurement noise only"):
        Switching.at("tiny", noise="nw+nv")
