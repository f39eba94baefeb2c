"""Methods here against public code, in one run: steps and seconds to the same error on the same measurements.

Prints, for Gaussian sensing of n x n matrices of rank 3 with 24 n measurements, n = 30 (an operator of 5 MB, in the cache) and 60
(41 MB), at conditions 3 and 100: iterations, processor seconds (the least of three runs) and the relative error reached.
Riemannian methods stand against pymanopt, which searches along lines where the descent here knows its step; both start at one
point. GNMR stands against its authors' code, both from the spectral start; approximate Gauss-Newton too, from its random starts
with twice the rank. Theirs is read from checkouts, never copied: https://github.com/pizilber/GNMR and
https://github.com/hsijiaxidian/AGN. Run with one thread:
OMP_NUM_THREADS=1 python tests/benchmarks/sensing_peers.py [--gnmr CHECKOUT] [--agn CHECKOUT]
"""

from __future__ import annotations

import argparse
import ast
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch

from dynamark.methods.sensing.gauss_newton import ApproximateGaussNewton, GaussNewtonRecovery
from dynamark.methods.sensing.manifold import RiemannianDescent
from dynamark.methods.sensing.quasi_newton import QuasiNewton
from dynamark.tasks.problems import Recovery, Run
from dynamark.tasks.sensing.tasks import AsymmetricSensing

LEVEL = 1e-8
SURPLUS = 6

# Name, iterations, seconds and relative error of a method.
Told = tuple[str, int, float, float]


def least(work: Callable[[], Any]) -> tuple[float, Any]:
    """The least processor seconds of three runs, and what the last returned."""
    seconds, actual = float("inf"), None
    for _ in range(3):
        start = time.process_time()
        actual = work()
        seconds = min(seconds, time.process_time() - start)
    return seconds, actual


def relative(estimate: np.ndarray, truth: np.ndarray) -> float:
    """|X - X*|/|X*|."""
    return float(np.linalg.norm(estimate - truth) / np.linalg.norm(truth))


def arrays(problem: Recovery) -> tuple[np.ndarray, np.ndarray]:
    """The rows of the operator and y."""
    return problem.operator.rows.numpy(), problem.y.numpy()  # type: ignore[attr-defined]


def of_pymanopt(problem: Recovery, truth: np.ndarray) -> list[Told]:
    """Steepest descent and conjugate gradients of pymanopt."""
    import pymanopt  # type: ignore[import-not-found,unused-ignore]

    rows, y = arrays(problem)
    n1, n2 = problem.operator.shape
    assert problem.rank is not None
    fixed_rank = pymanopt.manifolds.FixedRankEmbedded(n1, n2, problem.rank)

    @pymanopt.function.numpy(fixed_rank)  # type: ignore[untyped-decorator,unused-ignore]
    def cost(u: Any, s: Any, vt: Any) -> float:
        return 0.5 * float(np.sum((rows @ ((u * s) @ vt).ravel() - y) ** 2))

    @pymanopt.function.numpy(fixed_rank)  # type: ignore[untyped-decorator,unused-ignore]
    def gradient(u: Any, s: Any, vt: Any) -> Any:
        z = (rows.T @ (rows @ ((u * s) @ vt).ravel() - y)).reshape(n1, n2)
        return fixed_rank.projection((u, s, vt), z)

    posed = pymanopt.Problem(fixed_rank, cost, riemannian_gradient=gradient)
    u, s, vt = np.linalg.svd((rows.T @ y).reshape(n1, n2), full_matrices=False)
    first = u[:, : problem.rank], s[: problem.rank], vt[: problem.rank]
    collected = []
    for name in ("SteepestDescent", "ConjugateGradient"):
        optimizer = getattr(pymanopt.optimizers, name)(
            max_iterations=5000, min_gradient_norm=LEVEL / 3, min_step_size=1e-14, verbosity=0, max_time=60
        )
        seconds, actual = least(lambda: optimizer.run(posed, initial_point=first))  # noqa: B023 - called at once
        u, s, vt = actual.point
        collected.append((f"pymanopt {name}", actual.iterations, seconds, relative((u * s) @ vt, truth)))
    return collected


def authors_gnmr(checkout: Path, problem: Recovery, truth: np.ndarray) -> Told:
    """The updating variant of the authors' GNMR, with as many outer steps as reach the level."""
    names: dict[str, Any] = {}
    unused = {"sklearn": SimpleNamespace(), "sklearn.preprocessing": SimpleNamespace(normalize=None)}
    with mock.patch.dict(sys.modules, unused):  # type: ignore[arg-type]  # imported there, and not used
        exec((checkout / "Matrix sensing" / "Python" / "GNMR_sensing.py").read_text(), names)
    rows, y = arrays(problem)

    def solve(steps: int) -> np.ndarray:
        options = {"alpha": -1, "verbose": False, "max_outer_iter": steps}
        actual: np.ndarray = names["GNMR_sensing"](y, rows, *truth.shape, problem.rank, **options)[0]
        return actual

    steps = next(count for count in range(1, 100) if relative(solve(count), truth) <= LEVEL)
    seconds, actual = least(lambda: solve(steps))
    return "GNMR of its authors", steps, seconds, relative(actual, truth)


def authors_agn(checkout: Path, problem: Recovery, truth: np.ndarray) -> Told:
    """The loop of the authors' AGN script, from its start.

    As published it stops at its first step: the transpose of the solution for R is missing, and is put in here.
    """
    text = (checkout / "AGN.py").read_text().replace("eta * Delta_R ", "eta * Delta_R.T ")
    script = ast.parse(text).body
    conditions = next(part for part in script if isinstance(part, ast.For))
    loop = [part for part in conditions.body if isinstance(part, ast.For)][-1]
    code = compile(ast.Module([loop], []), "AGN.py", "exec")
    rows, y = arrays(problem)
    n1, n2 = truth.shape
    assert n1 == n2
    rng = np.random.default_rng(0)
    first = rng.standard_normal((2, n1, SURPLUS)) / 10
    given = {
        "np": np, "As": list(rows.reshape(-1, n1, n2)), "y": y, "X_star": truth, "n": n1, "m": len(y), "T": 10_000, "eta": 0.5,
        "thresh_up": 1e10, "thresh_low": LEVEL * np.linalg.norm(truth), "i_kappa": 0,
    }  # fmt: skip

    def solve() -> dict[str, Any]:
        names = given | {"L": first[0], "R": first[1], "errors_AGN": np.zeros((1, 10_000))}
        exec(code, names)
        return names

    seconds, names = least(solve)
    return "AGN of its authors, step 0.5", names["t"], seconds, relative(names["X"], truth)


def own(problem: Recovery, truth: np.ndarray) -> list[Told]:
    """The methods here, each stopped at the first snapshot below the level."""
    collected = []
    for method in (
        RiemannianDescent(),
        RiemannianDescent(conjugate=True),
        QuasiNewton(),
        GaussNewtonRecovery(),
        ApproximateGaussNewton(rank=SURPLUS),
        ApproximateGaussNewton(rank=SURPLUS, step=0.5),
    ):

        def fit(budget: int, method: Any = method) -> Run:
            run = Run([0], budget=budget)
            if hasattr(method, "fit_estimates"):
                method.fit_estimates([problem], [run])
            else:
                method.fit_estimate(problem, run)
            return run

        run = fit(20_000)
        errors = [relative((f @ g.T).numpy(), truth) for _, (f, g) in run.snapshots]
        at = next(i for i, error in enumerate(errors) if error <= LEVEL)
        seconds, _ = least(lambda: fit(run.passes[at]))  # noqa: B023 - called at once
        name = str(method).replace("rank=None, ", "").replace(", rank=None", "")
        collected.append((name, run.snapshots[at][0], seconds, errors[at]))
    return collected


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gnmr", type=Path, help="a checkout of https://github.com/pizilber/GNMR")
    parser.add_argument("--agn", type=Path, help="a checkout of https://github.com/hsijiaxidian/AGN")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for n, condition in itertools.product((30, 60), (3.0, 100.0)):
        task = AsymmetricSensing.at(
            "tiny", rows=n, columns=n, rank=3, measurements=24 * n, condition=condition, passes=20_000
        )
        problem = task.problem(0)
        left, right = task.truth(0)
        truth = left @ right.T
        print(f"n = {n}, condition {condition:g}")
        actual = own(problem, truth)
        if given.gnmr:
            actual.append(authors_gnmr(given.gnmr, problem, truth))
        if given.agn:
            actual.append(authors_agn(given.agn, problem, truth))
        try:
            actual += of_pymanopt(problem, truth)
        except ImportError:
            print("  pymanopt is absent: pip install --target DIR pymanopt, and PYTHONPATH=DIR for this script")
        for name, steps, seconds, error in actual:
            print(f"  {name:85s} {steps:6d} steps {1e3 * seconds:9.1f} ms   error {error:.1e}")


if __name__ == "__main__":
    main()
