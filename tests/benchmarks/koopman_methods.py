"""DMD and EDMD here against PyDMD and deeptime, where those are installed; eight autoencoders together against one by one."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from dynamark.methods.koopman.autoencoder import KoopmanAutoencoder
from dynamark.methods.koopman.dmd import Dmd, HankelDmd
from dynamark.methods.koopman.edmd import Edmd
from dynamark.tasks.problems import Forecasting, Run, Trajectories


def seconds(work: Callable[[], Any], repeats: int = 5) -> float:
    """The best of some runs, in seconds of CPU."""
    best = np.inf
    for _ in range(repeats):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return float(best)


def peer(module: str) -> Any:
    """A peer package, or None."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def main() -> None:
    """Print a line a comparison."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    snapshots = rng.standard_normal((6, 200)).T @ np.cumsum(rng.standard_normal((6, 300)), axis=1)
    problem = _posed(snapshots.T[None])
    print(f"dmd, 200 x 300: {seconds(lambda: Dmd(rank=6).fit_forecaster(problem, Run()).eigenvalues()):.4f} s")
    tones = _posed(np.cos(0.3 * np.arange(1200))[None, :, None] + 0.01 * rng.standard_normal((1, 1200, 1)))
    hankel = HankelDmd(delays=800, rank=2)
    print(f"hankel, 800 delays of 1200 samples: {seconds(lambda: hankel.fit_forecaster(tones, Run())):.4f} s")
    if pydmd := peer("pydmd"):
        print(f"  PyDMD DMD: {seconds(lambda: pydmd.DMD(svd_rank=6).fit(snapshots)):.4f} s")
        signal = tones.train.observations[0].T.numpy()
        print(f"  PyDMD HankelDMD: {seconds(lambda: pydmd.HankelDMD(svd_rank=2, d=800).fit(signal)):.4f} s")
    x = rng.uniform(-1, 1, (10_000, 2, 2))
    pairs, edmd = _posed(x), Edmd(size=12, ridge=1e-10)
    print(f"edmd, 10^4 pairs, 91 monomials: {seconds(lambda: edmd.fit_forecaster(pairs, Run())):.4f} s")
    if peer("deeptime"):
        from deeptime.basis import Monomials  # type: ignore[import-not-found]
        from deeptime.decomposition import EDMD  # type: ignore[import-not-found]

        print(f"  deeptime: {seconds(lambda: EDMD(Monomials(12, 2)).fit((x[:, 0], x[:, 1])).fetch_model()):.4f} s")
    network = KoopmanAutoencoder(steps=50, reencode_every=0)
    short = _posed(rng.standard_normal((50, 20, 2)))
    one, eight = (
        seconds(lambda n=n: network.fit_forecasters([short] * n, [Run((i,)) for i in range(n)]), 3) for n in (1, 8)
    )
    print(
        f"autoencoder, 50 steps: one {one:.2f} s, eight together {eight:.2f} s, {eight / (8 * one):.2f} of eight single fits"
    )


def _posed(paths: np.ndarray) -> Forecasting:
    given = Trajectories(torch.from_numpy(paths))
    return Forecasting(given, given)


if __name__ == "__main__":
    main()
