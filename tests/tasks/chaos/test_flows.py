"""The table of flows: its discretization, bounded orbits, exponents against the divergence and the literature, and its bits."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from dynamark.tasks.chaos.flow import Flow
from dynamark.tasks.chaos.flows import FLOWS
from dynamark.tasks.chaos.systems import orbits
from dynamark.tasks.numerics.integrators import bind_rk4

# SHA-256 of short orbits, in hexadecimal. `python tests/tasks/chaos/test_flows.py` writes it.
BITS = Path(__file__).with_name("flow_bits.json")


@functools.cache
def states(name: str, count: int = 48) -> np.ndarray:
    """States [dim, count] on the attractor: short pieces of 16 orbits."""
    system = FLOWS[name].system
    state = system.starts(16, np.random.default_rng(0))
    sample, pieces = system.bind(state), []
    for t in range(400):
        sample()
        if t >= 100:
            pieces.append(state.copy())
    return np.concatenate(pieces, axis=1)[:, :: 300 * 16 // count]


def advanced(flow: Flow, x: np.ndarray, substeps: int) -> np.ndarray:
    state = np.array(x, order="C")
    step = bind_rk4(flow.formulas, state, flow.dt / substeps)
    for _ in range(substeps):
        step()
    return state


@pytest.mark.parametrize("name", FLOWS)
def test_one_sample_is_accurate_and_of_fourth_order(name: str) -> None:
    """An error of a millionth of a standard deviation, and eight times less or better with twice as many steps."""
    flow, x = FLOWS[name], states(name)
    assert np.isfinite(x).all()
    scale = x.std(axis=1, keepdims=True)
    reference = advanced(flow, x, 8 * flow.substeps)
    error, finer = (
        float((np.abs(advanced(flow, x, n) - reference) / scale).max()) for n in (flow.substeps, 2 * flow.substeps)
    )
    assert error <= 2e-6
    assert finer < error / 8 or finer < 1e-11


@pytest.mark.parametrize("name", FLOWS)
def test_a_spectrum_is_that_of_a_chaotic_flow(name: str) -> None:
    """A positive exponent, one zero, a negative sum; where the divergence is constant, the sum is the divergence."""
    flow = FLOWS[name]
    spectrum, dim = np.array(flow.lyapunov), len(flow.start)
    assert len(spectrum) == dim == len(flow.formulas.names)
    assert (np.diff(spectrum) < 0).all()
    assert (spectrum == 0).sum() == 1
    assert flow.lyapunov[0] > 20 * flow.error > 0
    assert flow.error < 0.03 * flow.lyapunov[0]
    x = states(name)
    bundle, out = np.repeat(x, 2 * dim, axis=1).reshape(dim, -1, dim, 2), np.empty((dim, x.shape[1] * 2 * dim))
    for k in range(dim):
        bundle[k, :, k] += np.array([1e-5, -1e-5])
    flow.formulas(np.ascontiguousarray(bundle.reshape(dim, -1)), out)()
    slopes = out.reshape(bundle.shape)
    divergence = sum((slopes[k, :, k, 0] - slopes[k, :, k, 1]) / 2e-5 for k in range(dim))
    if np.ptp(divergence) < 1e-6 * np.abs(divergence).max():
        # The exponents are rounded to four digits, and the zero one to zero.
        assert spectrum.sum() == pytest.approx(divergence[0], rel=2e-3, abs=4 * flow.error)
    else:
        assert spectrum.sum() < 0


def test_exponents_agree_with_the_literature() -> None:
    """Sprott's by two units of the printed digit; the estimates of Gilpin from short orbits within a factor of 2.5."""
    for name, flow in FLOWS.items():
        if flow.reference == "Sprott 1994":
            assert abs(flow.lyapunov[0] - flow.published) < 0.002 + 2.5 * flow.error, name
        elif flow.reference == "Gilpin 2021":
            assert 1 / 2.5 < flow.published / flow.lyapunov[0] < 2.5, name
        else:
            assert flow.lyapunov[0] == pytest.approx(flow.published, rel=0.05), name


@pytest.mark.parametrize(("name", "count", "samples"), [("sprott_b", 200, 500), ("halvorsen", 200, 800)])
def test_spectra_are_measured_again(name: str, count: int, samples: int) -> None:
    """From neighboring orbits of the sampler, not from the tangent maps with which the table was made."""
    from tests.benchmarks.exponents import by_differences

    system = FLOWS[name].system
    spectrum = by_differences(system, system.dim, count, samples, 400)
    for value, error, stated in zip(spectrum.exponents, spectrum.errors, system.lyapunov, strict=True):
        assert value == pytest.approx(stated, abs=0.01 * abs(stated) + 4 * float(error) + 0.005 * system.lyapunov[0])


@pytest.mark.parametrize("name", ["rucklidge", "chen"])
def test_all_orbits_stay_bounded_and_none_settles(name: str) -> None:
    path = orbits(FLOWS[name].system, {"a": (40, 1500)}, np.random.default_rng(1))["a"]
    assert np.abs(path).max() < 1e3
    late = path[:, 1000:]
    assert (late.std(axis=1) > 0.1 * path.std(axis=(0, 1))).all()


def bits(flow: Flow) -> str:
    state = flow.system.starts(2, np.random.default_rng(0))
    sample = flow.system.bind(state)
    for _ in range(60):
        sample()
    return hashlib.sha256(state.tobytes()).hexdigest()[:16]


def test_the_bits_of_all_flows_are_those_of_the_repository() -> None:
    stored = json.loads(BITS.read_text())
    assert {name: bits(flow) for name, flow in FLOWS.items()} == stored


if __name__ == "__main__":
    BITS.write_text(json.dumps({name: bits(flow) for name, flow in FLOWS.items()}, indent=1) + "\n")
