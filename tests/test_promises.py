"""Every accuracy that a docstring of tasks and methods promises has a test that holds it, named here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Numbers of an accuracy: powers of ten, shares, digits, rounding.
_NUMBER = re.compile(r"\d(?:\.\d+)?e-\d+|within \d+(?:\.\d+)? ?%|to rounding|to \w+ digits|accuracy:", re.IGNORECASE)

# Where a promise stands, and the test that holds it.
PROMISES = {
    "tasks/chaos/systems.py::System": "tests/tasks/chaos/test_attractors.py::test_the_largest_exponent_is_the_stated_one",
    "tasks/koopman/deterministic.py::VanDerPol": (
        "tests/tasks/koopman/test_systems.py::test_period_and_floquet_exponent_of_van_der_pol"
    ),
    "tasks/koopman/deterministic.py::Duffing.flow": (
        "tests/tasks/koopman/test_systems.py::test_halving_the_steps_of_duffing_changes_nothing_that_counts"
    ),
    "tasks/koopman/deterministic.py::Pendulum.flow": (
        "tests/tasks/koopman/test_systems.py::test_the_pendulum_in_elliptic_functions"
    ),
    "tasks/koopman/spectra.py::residuals": (
        "tests/tasks/koopman/test_spectra.py::test_residuals_leave_the_constant_out_and_are_exact_to_rounding"
    ),
    "tasks/koopman/spirals.py::Spirals": (
        "tests/tasks/koopman/test_spirals.py::test_perturbations_of_unequal_diffusion_do_not_grow"
    ),
    "tasks/lds/systems.py::_dense_ginibre": "tests/tasks/lds/test_systems.py::test_the_radius_of_ginibre_has_nine_digits",
    "tasks/numerics/exact.py::orthonormal": "tests/tasks/numerics/test_exact.py::test_orthonormal_is_the_q_of_qr",
    "tasks/numerics/exact.py::settled": "tests/tasks/numerics/test_exact.py::test_settled_forgets_the_last_digits",
    "tasks/numerics/koopman.py::Compressed.distance": (
        "tests/tasks/numerics/test_koopman.py::test_the_distance_sees_below_the_root_of_rounding"
    ),
    "tasks/numerics/least_squares.py::ridge_path": (
        "tests/tasks/numerics/test_least_squares.py::test_small_directions_keep_their_digits"
    ),
    "tasks/numerics/spectral_filters.py::": (
        "tests/tasks/numerics/test_spectral_filters.py::test_all_filters_are_as_accurate_as_promised"
    ),
    "tasks/numerics/spectral_filters.py::spectral_filters": (
        "tests/tasks/numerics/test_spectral_filters.py::test_all_filters_are_as_accurate_as_promised"
    ),
    "tasks/numerics/spectral_filters.py::wedge_filters": (
        "tests/tasks/numerics/test_spectral_filters.py::test_as_many_wedge_filters_matter_as_the_law_says"
    ),
    "methods/sequence/s4.py::dplr_kernel": (
        "tests/methods/sequence/test_state_spaces.py::test_the_kernel_is_that_of_the_dense_system"
    ),
}
# Numbers of that form that are parameters, thresholds and starts, or say what another way of computing would lose.
PARAMETERS = {
    *("tasks/chaos/metrics.py::correlation_dimension", "tasks/chaos/metrics.py::StateSpace.divergence"),
    *(
        "tasks/koopman/metrics.py::drift",
        "tasks/koopman/metrics.py::log_spectrum_rmse",
        "tasks/koopman/spectra.py::constant",
    ),
    *(
        "tasks/koopman/spectra.py::basin_accuracy",
        "tasks/koopman/stochastic.py::DoubleWell",
        "tasks/lds/data.py::_blocks",
    ),
    *("tasks/numerics/hippo.py::perturbed_legs", "tasks/numerics/least_squares.py::ridge_of_moments"),
    *("tasks/sensing/convergence.py::convergence_rate", "tasks/sensing/metrics.py::distance"),
    *("methods/koopman/dpnets.py::LearnedFeatures", "methods/koopman/nystroem.py::Nystroem"),
    *("methods/koopman/polynomial.py::_spread", "methods/linear/realization.py::_gain"),
    *("methods/recurrent/ngrc.py::NextGenerationReservoir", "methods/recurrent/reservoir.py::EchoStateNetwork"),
    "methods/recurrent/reservoir.py::_rollout_error",
    *("methods/sensing/alternating.py::_least_squares", "methods/sensing/gauss_newton.py::ApproximateGaussNewton"),
    *("methods/sensing/start.py::leading", "methods/sequence/convolutional.py::S5", "methods/sequence/s4.py::S4PTD"),
    "methods/sequence/perturbed_s5.py::S5PTD",
}


def documented(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The qualified name and docstring of a module ("") and of all that it defines."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield prefix + node.name, ast.get_docstring(node) or ""
            yield from documented(node, f"{prefix}{node.name}.")


def stated() -> set[str]:
    """The places whose docstring holds such a number."""
    places = set()
    for path in (path for folder in ("tasks", "methods") for path in (ROOT / folder).rglob("*.py")):
        tree = ast.parse(path.read_text())
        for name, text in [("", ast.get_docstring(tree) or ""), *documented(tree)]:
            if _NUMBER.search(text):
                places.add(f"{path.relative_to(ROOT).as_posix()}::{name}")
    return places


def test_every_stated_accuracy_is_held_by_a_test() -> None:
    """A new number is either a promise, with its test, or a parameter; what no longer stands is taken off the lists."""
    assert not PROMISES.keys() & PARAMETERS
    assert stated() == PROMISES.keys() | PARAMETERS


def test_the_named_tests_exist() -> None:
    for place, test in PROMISES.items():
        file, name = test.split("::")
        assert f"def {name}(" in (ROOT / file).read_text(), place
