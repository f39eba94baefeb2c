"""DMD, Hankel-DMD, EDMD and Nystroem's regression here against PyDMD, deeptime and kooplearn: seconds and errors, in one run.

Peers that are not installed are named and left out; install them beside, without their dependencies:
    pip install --no-deps --target /tmp/peers pydmd deeptime kooplearn scikit-learn joblib cloudpickle
    OMP_NUM_THREADS=1 PYTHONPATH=/tmp/peers python tests/benchmarks/koopman_methods.py
Then eight autoencoders trained together against single fits.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from dynamark.methods.koopman.autoencoder import KoopmanAutoencoder
from dynamark.methods.koopman.consistent import ConsistentAutoencoder
from dynamark.methods.koopman.dmd import DMD, HankelDMD
from dynamark.methods.koopman.edmd import EDMD
from dynamark.methods.koopman.nystroem import Nystroem
from dynamark.tasks.koopman.processes import logistic_modes, logistic_path
from dynamark.tasks.koopman.systems import box, slow_manifold_flow
from dynamark.tasks.problems import Forecasting, Run, Trajectories

TONES = np.exp(np.array([-0.01 + 0.9j, -0.01 - 0.9j, 0.3j, -0.3j, -0.02 + 2j, -0.02 - 2j]))
RATES = np.exp(0.1 * np.array([0, -0.05, -0.1, -1.0]))
COLUMNS = "{:<34}{:>12}{:>12}{:>12}{:>12}{:>8}"


def seconds(work: Callable[[], Any], repeats: int = 5) -> float:
    """The best of some runs, in seconds of CPU, after one that warms up."""
    best = np.inf
    work()
    for _ in range(repeats):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return float(best)


def error(values: Any, truth: np.ndarray) -> float:
    """The largest distance of a true eigenvalue to the estimates."""
    return float(np.abs(truth[:, None] - np.asarray(values).ravel()).min(axis=1).max())


def compare(name: str, truth: np.ndarray, own: Callable[[], Any], module: str, peer: Callable[[], Any]) -> None:
    """Print seconds and errors of both, each a call that returns eigenvalues."""
    ours, mine = seconds(own), error(own(), truth)
    try:
        importlib.import_module(module)
    except ImportError:
        print(COLUMNS.format(name, f"{ours:.4f} s", f"{mine:.1e}", f"no {module}", "", ""))
        return
    theirs = seconds(peer)
    print(
        COLUMNS.format(
            name,
            f"{ours:.4f} s",
            f"{mine:.1e}",
            f"{theirs:.4f} s",
            f"{error(peer(), truth):.1e}",
            f"{theirs / ours:.1f}",
        )
    )


def posed(paths: np.ndarray, dt: float = 1.0) -> Forecasting:
    given = Trajectories(torch.from_numpy(paths), dt=dt)
    return Forecasting(given, given)


def peers(rng: np.random.Generator) -> None:
    """The table."""
    print(COLUMNS.format("", "here", "error", "peer", "error", "ratio"))
    powers = TONES ** np.arange(300)[:, None]
    snapshots = (powers @ (rng.standard_normal((6, 200)) + 1j * rng.standard_normal((6, 200)))).real
    snapshots += 1e-6 * rng.standard_normal(snapshots.shape)

    def fitted(method: Any, problem: Forecasting) -> Any:
        model = method.fit_forecasters([problem], [Run()])[0] if hasattr(method, "fit_forecasters") else None
        return (model or method.fit_forecaster(problem, Run())).eigenvalues().numpy()

    def pydmd_dmd() -> Any:
        return importlib.import_module("pydmd").DMD(svd_rank=6).fit(snapshots.T).eigs

    states = posed(snapshots[None])
    compare("dmd, 200 x 300, PyDMD", TONES, lambda: fitted(DMD(rank=6), states), "pydmd", pydmd_dmd)

    signal = np.cos(0.3 * np.arange(1200)) + 1e-3 * rng.standard_normal(1200)

    def pydmd_hankel() -> Any:
        return importlib.import_module("pydmd").HankelDMD(svd_rank=2, d=800).fit(signal[None]).eigs

    tone = np.exp(np.array([0.3j, -0.3j]))
    long = posed(signal[None, :, None])
    compare(
        "hankel, 800 of 1200, PyDMD",
        tone,
        lambda: fitted(HankelDMD(delays=800, rank=2), long),
        "pydmd",
        pydmd_hankel,
    )

    pairs = slow_manifold_flow(-0.05, -1.0)(box((-0.5, -0.5), (0.5, 0.5))(rng, 10_000), 0.1, 1)
    problem = posed(pairs, 0.1)

    def deeptime_edmd() -> Any:
        basis, method = importlib.import_module("deeptime.basis"), importlib.import_module("deeptime.decomposition")
        return method.EDMD(basis.Monomials(8, 2)).fit((pairs[:, 0], pairs[:, 1])).fetch_model().eigenvalues

    compare(
        "edmd, 10^4 pairs, 45 monomials, deeptime",
        RATES,
        lambda: fitted(EDMD(size=8, ridge=1e-16), problem),
        "deeptime",
        deeptime_edmd,
    )

    # kooplearn's estimator reads one trajectory, from whose length it takes the lag twice: pairs cannot be handed to it.
    path = logistic_path(10_000, rng)
    single = posed(path[None, :, None])

    def kooplearn_nystroem() -> Any:
        kernel = importlib.import_module("kooplearn.kernel")
        model = kernel.NystroemKernelRidge(12, kernel="rbf", gamma=50.0, alpha=1e-6, n_centers=300, random_state=0)
        return model.fit(path[:, None]).eig()

    compare(
        "nystroem, 10^4 pairs, 300, kooplearn",
        logistic_modes()[0][:3],
        lambda: fitted(Nystroem(scale=0.1, centers=300, rank=12, ridge=1e-6), single),
        "kooplearn",
        kooplearn_nystroem,
    )


def cohorts(rng: np.random.Generator) -> None:
    """A run of one seed is fitted as two, the second a copy, so that its bits depend on no neighbor."""
    plane, lifted = (posed(rng.standard_normal((50, 20, dim))) for dim in (2, 64))

    def fit(network: Any, problem: Forecasting, n: int) -> Any:
        return network.fit_forecasters([problem] * n, [Run((i,)) for i in range(n)])

    for name, network, problem in (
        ("periodic re-encoding", KoopmanAutoencoder(steps=50, reencode_every=0), plane),
        ("consistent, 64 dimensions", ConsistentAutoencoder(steps=50), lifted),
    ):
        one, two, eight = (seconds(partial(fit, network, problem, n), 3) for n in (1, 2, 8))
        print(
            f"autoencoder, {name}, 50 steps: one {one:.2f} s, a pair {two:.2f} s, eight {eight:.2f} s: "
            f"{eight / (8 * one):.2f} of eight fits alone, {eight / (8 * two):.2f} of eight runs of one seed"
        )


def main() -> None:
    """Print a line a comparison."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    peers(rng)
    cohorts(rng)


if __name__ == "__main__":
    main()
