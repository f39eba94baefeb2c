"""Systems and their data against dense simulation by SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import scipy.signal
from numpy import ndarray

from dynamark.tasks.lds.data import Excitation, excitation, input_sequences, normalized, simulate
from dynamark.tasks.lds.systems import SPECTRA, Shape, System, draw


def system(spectrum: str, channels: int = 2, dim: int = 3, direct: bool = False, length: int = 48) -> System:
    sizes = (3, 3) if spectrum == "stu_paper" else (channels, dim)
    return draw(spectrum, Shape(16, length, *sizes, direct=direct), np.random.default_rng(1))


def dense(s: System) -> ndarray:
    return scipy.linalg.block_diag(*s.blocks)


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("direct", [False, True])
def test_simulation_agrees_with_scipy(spectrum: str, direct: bool) -> None:
    s = system(spectrum, direct=direct)
    a = dense(s)
    u = np.random.default_rng(2).standard_normal((1, 48, s.b.shape[1]))
    y, clean = simulate(s, u, Excitation(np.zeros(s.order), 0.0), np.random.default_rng(3))
    # In the form x_{t+1} = A x_t + A B u_t, y_t = C x_t + (C B + D_0) u_t.
    taps = dict(s.taps)
    feed = s.c @ s.b + taps.pop(0, 0)
    expected = scipy.signal.dlsim((a, a @ s.b, s.c, feed, 1.0), u[0])[1]
    for lag, gain in taps.items():
        expected[lag:] += u[0, : len(expected) - lag] @ gain.T
    np.testing.assert_allclose(y[0], expected, atol=1e-10)
    assert np.array_equal(y, clean)


@pytest.mark.parametrize(
    ("spectrum", "inside"),
    [
        ("sym_pos", lambda z: (z.imag == 0) & (z.real >= 0) & (z.real < 1)),
        ("sym", lambda z: (z.imag == 0) & (abs(z) < 1)),
        ("rot", lambda z: (abs(z) >= 0.99) & (abs(z) < 1)),
        ("stu_paper", lambda z: np.isclose(abs(z.real), 0.9999)),
        ("spectralds", lambda z: abs(z) <= 0.999 + 1e-12),
        ("dense_ginibre", lambda z: abs(z) <= 0.99 + 1e-9),
        ("nonnormal", lambda z: abs(z - 0.95) < 0.05),
    ],
)
def test_spectra_lie_where_they_should(spectrum: str, inside: object) -> None:
    assert inside(np.linalg.eigvals(dense(system(spectrum)))).all()  # type: ignore[operator]


def test_the_radius_of_ginibre_has_nine_digits() -> None:
    for seed in range(3):
        s = draw("dense_ginibre", Shape(64, 256, 1, 1), np.random.default_rng(seed))
        assert np.abs(np.linalg.eigvals(dense(s))).max() == pytest.approx(0.99, abs=1e-9)


def test_beta_bounds_the_angles() -> None:
    s = draw("asym", Shape(64, 1024, 1, 1, beta=0.3), np.random.default_rng(0))
    angles = np.abs(np.angle(np.linalg.eigvals(dense(s))))
    assert 0.2 < angles.max() <= 0.3


def test_nonnormal_systems_grow_before_they_decay() -> None:
    block = system("nonnormal").blocks[0]
    norms = [np.linalg.norm(np.linalg.matrix_power(block, k), 2) for k in (0, 5, 2000)]
    assert norms[1] > 2
    assert norms[2] < 1


@pytest.mark.parametrize("drive", ["white", "none", "start"])
def test_outputs_have_unit_power_on_average(drive: str) -> None:
    s = draw("rot", Shape(16, 64, 0 if drive != "white" else 2, 3), np.random.default_rng(4))
    s = normalized(s, 64, drive)
    rng = np.random.default_rng(5)
    u = input_sequences(drive, 4000, 64, 2, rng)
    y, _ = simulate(s, u, excitation(s, "n0", drive), rng)
    assert np.mean(y**2) == pytest.approx(1.0, abs=0.05)


def test_the_delay_has_as_much_power_as_the_rest() -> None:
    s = draw("delay", Shape(16, 64, 1, 1), np.random.default_rng(0))
    ((lag, gain),) = s.taps.items()
    assert lag == 16
    weight = 64 - np.arange(64)
    slow = np.sum(weight[:, None, None] * s.response(s.b, 64) ** 2)
    assert float(gain[0, 0] ** 2) * weight[lag] == pytest.approx(slow)


def test_inputs_are_what_they_say() -> None:
    rng = np.random.default_rng(0)
    blocks = input_sequences("blocks", 3, 500, 2, rng)
    assert np.abs(blocks).max() <= 2
    slow = input_sequences("ou", 200, 200, 1, rng)
    assert np.mean(slow**2) == pytest.approx(1, abs=0.1)
    assert np.mean(slow[:, 1:] * slow[:, :-1]) == pytest.approx(0.95, abs=0.1)
    assert input_sequences("none", 3, 50, 2, rng).shape == (3, 50, 0)


def test_heavy_noise_has_the_variance_of_the_gaussian() -> None:
    s = system("sym_pos")
    u = np.zeros((500, 48, 2))
    y, _ = simulate(s, u, excitation(s, "heavy", "white"), np.random.default_rng(0))
    assert np.sort(np.abs(y).ravel())[-10:].min() > 5 * 0.3  # tails that a Gaussian of 72000 draws does not have
    assert np.mean(y**2) == pytest.approx(0.09, rel=0.15)
