"""Riemannian methods here against those of pymanopt: steps and seconds to the same error, from the same start, in one run.

Prints, for Gaussian sensing of a 30 x 30 matrix of rank 3 with 720 measurements at conditions 3 and 100: iterations, processor
seconds (the least of three runs) and the relative error reached. pymanopt searches along lines, the descent here knows its step.
Run with one thread: OMP_NUM_THREADS=1 python tests/benchmarks/sensing_peers.py
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from dynamark.methods.sensing.gauss_newton import GaussNewtonRecovery
from dynamark.methods.sensing.manifold import RiemannianDescent
from dynamark.methods.sensing.quasi_newton import QuasiNewton
from dynamark.tasks.problems import Recovery, Run
from dynamark.tasks.sensing.tasks import AsymmetricSensing

LEVEL = 1e-8


def peers(problem: Recovery, truth: np.ndarray) -> list[tuple[str, int, float, float]]:
    """Steepest descent and conjugate gradients of pymanopt: name, iterations, seconds, error."""
    import pymanopt  # type: ignore[import-not-found,unused-ignore]

    rows, y = problem.operator.rows.numpy(), problem.y.numpy()  # type: ignore[attr-defined]
    n1, n2 = problem.operator.shape
    assert problem.rank is not None
    manifold = pymanopt.manifolds.FixedRankEmbedded(n1, n2, problem.rank)

    @pymanopt.function.numpy(manifold)  # type: ignore[untyped-decorator,unused-ignore]
    def cost(u: Any, s: Any, vt: Any) -> float:
        return 0.5 * float(np.sum((rows @ ((u * s) @ vt).ravel() - y) ** 2))

    @pymanopt.function.numpy(manifold)  # type: ignore[untyped-decorator,unused-ignore]
    def gradient(u: Any, s: Any, vt: Any) -> Any:
        z = (rows.T @ (rows @ ((u * s) @ vt).ravel() - y)).reshape(n1, n2)
        return manifold.projection((u, s, vt), z)

    posed = pymanopt.Problem(manifold, cost, riemannian_gradient=gradient)
    u, s, vt = np.linalg.svd((rows.T @ y).reshape(n1, n2), full_matrices=False)
    first = u[:, : problem.rank], s[: problem.rank], vt[: problem.rank]
    told = []
    for name in ("SteepestDescent", "ConjugateGradient"):
        optimizer = getattr(pymanopt.optimizers, name)(
            max_iterations=5000, min_gradient_norm=LEVEL / 3, min_step_size=1e-14, verbosity=0, max_time=60
        )
        seconds = float("inf")
        for _ in range(3):
            start = time.process_time()
            found = optimizer.run(posed, initial_point=first)
            seconds = min(seconds, time.process_time() - start)
        u, s, vt = found.point
        told.append((f"pymanopt {name}", found.iterations, seconds, float(np.linalg.norm((u * s) @ vt - truth))))
    return told


def own(problem: Recovery, truth: np.ndarray) -> list[tuple[str, int, float, float]]:
    """The methods here, each stopped at the first snapshot below the level."""
    told = []
    for method in (RiemannianDescent(), RiemannianDescent(conjugate=True), QuasiNewton(), GaussNewtonRecovery()):

        def fit(budget: int, method: Any = method) -> Run:
            run = Run([0], budget=budget)
            if hasattr(method, "fit_estimates"):
                method.fit_estimates([problem], [run])
            else:
                method.fit_estimate(problem, run)
            return run

        run = fit(20_000)
        errors = [float(np.linalg.norm((f @ g.T).numpy() - truth)) for _, (f, g) in run.snapshots]
        at = next(i for i, error in enumerate(errors) if error <= LEVEL * np.linalg.norm(truth))
        seconds = float("inf")
        for _ in range(3):
            start = time.process_time()
            fit(run.passes[at])
            seconds = min(seconds, time.process_time() - start)
        told.append(
            (
                str(method).replace("rank=None, ", "").replace(", rank=None", ""),
                run.snapshots[at][0],
                seconds,
                errors[at],
            )
        )
    return told


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    for condition in (3.0, 100.0):
        task = AsymmetricSensing.at(
            "tiny", rows=30, columns=30, rank=3, measurements=720, condition=condition, passes=20_000
        )
        problem = task.problem(0)
        left, right = task.truth(0)
        truth = left @ right.T
        print(f"condition {condition:g}")
        found = own(problem, truth)
        try:
            found += peers(problem, truth)
        except ImportError:
            print("  pymanopt is absent: pip install --target DIR pymanopt, and PYTHONPATH=DIR for this script")
        for name, steps, seconds, error in found:
            print(f"  {name:48s} {steps:6d} steps {1e3 * seconds:9.1f} ms   error {error / np.linalg.norm(truth):.1e}")


if __name__ == "__main__":
    main()
