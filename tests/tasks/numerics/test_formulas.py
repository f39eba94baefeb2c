"""Vector fields as text: the values and bits of the plain formulas, their derivatives, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.tasks.numerics import compiling
from dynamark.tasks.numerics.formula_maps import FormulaMap, slopes_and_tangents
from dynamark.tasks.numerics.formulas import parse

MIXED = "x' = a*(y - x) + abs(z)/3; y' = x; z' = -y**3 + x*y/(2 + x*x) - a; w' = a*(y - x)"


def mixed(x: np.ndarray, a: float = 2.5) -> np.ndarray:
    u, v, z, _ = x
    shear = a * (v - u)
    return np.stack([shear + np.abs(z) / 3, u, -(v * v * v) + u * v / (2 + u * u) - a, shear])


def test_a_field_has_the_bits_of_its_formulas() -> None:
    field = parse(MIXED, {"a": 2.5})
    x = np.random.default_rng(0).standard_normal((4, 7))
    out = np.empty_like(x)
    evaluate = field(x, out)
    evaluate()
    assert np.array_equal(out, mixed(x))
    x[:] = np.random.default_rng(1).standard_normal((4, 7))
    evaluate()
    assert np.array_equal(out, mixed(x)), "it reads the state anew"


def test_bits_of_an_orbit_do_not_depend_on_its_neighbors() -> None:
    field, x = parse(MIXED, {"a": 2.5}), np.random.default_rng(0).standard_normal((4, 9))
    many, one = np.empty_like(x), np.empty((4, 1))
    field(x, many)()
    for i in range(9):
        field(np.ascontiguousarray(x[:, i : i + 1]), one)()
        assert np.array_equal(one[:, 0], many[:, i])


def test_equal_expressions_and_numbers_are_computed_once() -> None:
    field = parse("x' = (1/4 - a)*(x*y); y' = 3*(x*y) + x*y", {"a": 1.0})
    assert [r[0] for r in field.registers].count("multiply") == 3, "x*y is shared"
    assert ("constant", 0, 0, -0.75) in field.registers
    assert field.names == ("x", "y")


@pytest.mark.parametrize(
    "text", ["x' = sin(x)", "x' = y", "x' = x**0.5", "x' = x**-1", "x = 1", "x' = ", "x' = x if x else 1", "x' = 'a'"]
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cannot evaluate|expected equations"):
        parse(text)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels as plain Python: compiling takes longer than a few evaluations."""
    monkeypatch.setattr(compiling, "available", lambda: False)


@pytest.mark.usefixtures("plain")
def test_tangents_are_derivatives() -> None:
    field, x = parse(MIXED, {"a": 2.5}), np.array([0.3, -0.7, -0.4, 0.1])
    slope, tangent = slopes_and_tangents(field, x, np.eye(4))
    np.testing.assert_allclose(slope, mixed(x), rtol=1e-14)
    for k, unit in enumerate(np.eye(4)):
        difference = (mixed(x + 1e-6 * unit) - mixed(x - 1e-6 * unit)) / 2e-6
        np.testing.assert_allclose(tangent[:, k], difference, atol=1e-8)


@pytest.mark.usefixtures("plain")
def test_the_compiled_step_is_the_sampler_and_its_derivative() -> None:
    """The map of the Lyapunov spectrum is that of the data, up to rounding."""
    from dynamark.tasks.chaos.systems import flow

    field, dt, substeps = parse("x' = y*z; y' = x - y; z' = 1 - x*y"), 0.11, 4
    start = np.array([[1.7, 1.5, -0.5]]).T
    unit = np.eye(3)
    bundle = np.concatenate(
        [start, *(start + s * 1e-6 * unit[:, k : k + 1] for k in range(3) for s in (1, -1))], axis=1
    )
    flow(field, dt, substeps)(bundle)()
    x, q, model = start[:, 0].copy(), np.eye(3), FormulaMap(field, dt, substeps).as_map()
    model.push(x, q, model.weights)
    np.testing.assert_allclose(x, bundle[:, 0], rtol=1e-13)
    np.testing.assert_allclose(q, (bundle[:, 1::2] - bundle[:, 2::2]) / 2e-6, atol=1e-8)
