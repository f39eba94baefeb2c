"""Sequence mathematics against peers' own code: filters, S4D and LRU with gradients, the time-varying scan, generation.

Needs in one folder: git clones of hazan-lab/flash-stu-2, state-spaces/s4 and LeoMassai/LRU-Pytorch, and pip install --no-deps
--target FOLDER mambapy einops. A peer that is absent is named and left out.
Run: PYTHONPATH=src python tests/benchmarks/sequence_peers.py FOLDER
"""

from __future__ import annotations

import importlib
import statistics
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.signal
import torch

from dynamark.methods.sequence.convolutional import LRU, S4D
from dynamark.tasks.lds.data import excitation, simulate
from dynamark.tasks.lds.systems import Shape, draw
from dynamark.tasks.numerics.convolution import filtered
from dynamark.tasks.numerics.scan import diagonal_scan
from dynamark.tasks.numerics.spectral_filters import spectral_filters

REPEATS = 5
Job = Callable[[], Any]


def compare(name: str, ours: Job, theirs: Job) -> None:
    """Print the ratio of medians; the two alternate, so that both meet the same load."""
    seconds: tuple[list[float], list[float]] = ([], [])
    ours(), theirs()
    for _ in range(REPEATS):
        for job, times in zip((ours, theirs), seconds, strict=True):
            start = time.process_time()
            job()
            times.append(time.process_time() - start)
    a, b = (statistics.median(times) for times in seconds)
    print(f"{name:56s} {a * 1e3:8.1f} ms, peer {b * 1e3:8.1f}: {b / a:6.1f} times as fast", flush=True)


def backward(forward: Job, parameters: list[torch.Tensor]) -> Job:
    """Forward and backward of the mean square."""
    return lambda: torch.autograd.grad(forward().square().mean(), parameters, allow_unused=True)


def features(time_: int) -> None:
    """Both signs of 24 filters, 8 sequences."""
    from mini_stu.convolution import convolve

    u = torch.randn(8, time_, 1)
    phi = spectral_filters(time_, 24)[1].float()
    sign = (1 - 2 * (torch.arange(time_) % 2)).float()
    both = torch.cat([phi, sign[:, None] * phi], dim=1)
    size = 1 << (2 * time_ - 1).bit_length()
    ours = filtered(u, both)[:, :, 0]
    plus, minus = convolve(u, phi, size)
    theirs = torch.cat([plus[..., 0], minus[..., 0]], dim=-1)
    assert (ours - theirs).abs().max() < 1e-3, "the features differ"
    compare(f"features, {time_} steps, flash-stu-2", lambda: filtered(u, both), lambda: convolve(u, phi, size))


def s4d(time_: int) -> None:
    """16 channels of 32 conjugate pairs each, 8 sequences: kernel, convolution and gradients."""
    stub: Any = types.ModuleType("src.models.nn")
    stub.DropoutNd = torch.nn.Dropout
    sys.modules |= {"src": types.ModuleType("src"), "src.models": types.ModuleType("src.models"), "src.models.nn": stub}
    peer = importlib.import_module("models.s4.s4d").S4DKernel(16, N=64)
    layer: Any = S4D(modes=32, banks=1, init="lin").layer(16, 1, time_, torch.Generator())
    u = torch.randn(8, 16, time_)
    x = u.mT.contiguous()

    def theirs() -> torch.Tensor:
        spectrum = torch.fft.rfft(u, n=2 * time_) * torch.fft.rfft(peer(time_), n=2 * time_)
        return torch.fft.irfft(spectrum, n=2 * time_)[..., :time_].sum(1)

    ours = backward(lambda: layer(x), list(layer.parameters()))
    compare(f"S4D with gradients, {time_} steps, state-spaces/s4", ours, backward(theirs, list(peer.parameters())))


def lru(time_: int) -> None:
    """64 states, 4 channels, 2 sequences."""
    module = importlib.import_module("LRU_pytorch.LRU")
    peer = module.LRU(4, 1, 64)
    layer: Any = LRU(states=64).layer(4, 1, time_, torch.Generator())
    x = torch.randn(2, time_, 4)
    ours = backward(lambda: layer(x), list(layer.parameters()))
    compare(f"LRU with gradients, {time_} steps, LRU-Pytorch", ours, backward(lambda: peer(x), list(peer.parameters())))


def scan(time_: int) -> None:
    """h_t = a_t h_{t-1} + b_t, 8 sequences of 256 lanes, with gradients."""
    from mambapy.pscan import pscan

    a, b = torch.rand(8, time_, 16, 16).requires_grad_(True), torch.randn(8, time_, 16, 16).requires_grad_(True)
    flat = [x.detach().flatten(-2).requires_grad_(True) for x in (a, b)]

    def naive() -> torch.Tensor:
        h, out = torch.zeros(8, 256), []
        for u, v in zip(flat[0].unbind(1), flat[1].unbind(1), strict=True):
            h = u * h + v
            out.append(h)
        return torch.stack(out, dim=1)

    assert (diagonal_scan(*flat) - pscan(a, b).flatten(-2)).abs().max() < 1e-3, "the scans differ"
    ours = backward(lambda: diagonal_scan(*flat), flat)
    compare(f"scan with gradients, {time_} steps, plain loop", ours, backward(naive, flat))
    compare(f"scan with gradients, {time_} steps, mambapy", ours, backward(lambda: pscan(a, b), [a, b]))


def generation(time_: int) -> None:
    """32 sequences of a system of 128 poles, one input and one output."""
    rng = np.random.default_rng(0)
    system = draw("sym_pos", Shape(128, time_, 1, 1), rng)
    u = rng.standard_normal((32, time_, 1))
    noise = excitation(system, "n0", "white")
    a = np.diag(system.blocks[:, 0, 0])
    # Theirs has y_t = C x_t + D u_t, x_{t+1} = A x_t + B u_t.
    dense = (a, system.b, system.c @ a, system.c @ system.b, 1.0)
    actual = scipy.signal.dlsim(dense, u[0])[1]
    assert np.abs(simulate(system, u, noise, rng)[0][0] - actual).max() < 1e-8, "the outputs differ"
    compare(
        f"generation, {time_} steps, scipy.signal.dlsim",
        lambda: simulate(system, u, noise, rng),
        lambda: [scipy.signal.dlsim(dense, one) for one in u],
    )


def main() -> None:
    """All rows whose peers are there."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        sys.path += [str(folder), *(str(folder / name) for name in ("flash-stu-2", "s4", "LRU-Pytorch"))]
    for row, times in (
        (features, (1024, 4096)),
        (s4d, (1024,)),
        (lru, (1024,)),
        (scan, (1024,)),
        (generation, (1024,)),
    ):
        for time_ in times:
            try:
                row(time_)
            except ImportError as error:
                print(f"{row.__name__}: {error}; see the top of this file")


if __name__ == "__main__":
    main()
