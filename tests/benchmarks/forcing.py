"""Milliseconds per training update and seed: eager autograd, the fused pass, seeds stacked, compiled kernels where installed.

Run it as `python tests/benchmarks/forcing.py`; set OMP_NUM_THREADS=1 and leave the machine alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from unittest import mock

import torch
from torch import Tensor

from dynamark.methods.recurrent import compiled, forcing, generalized

UNITS, HIDDEN, WINDOWS, STEPS, DIM, RECTIFIED, INTERVAL = 20, 50, 16, 200, 3, 2, 16


def almost_linear(seeds: int) -> list[Tensor]:
    shapes = ((UNITS,), (UNITS, UNITS), (UNITS,), (WINDOWS, UNITS), (WINDOWS, STEPS, DIM))
    return [0.1 * torch.randn(seeds, *shape) for shape in shapes]


def shallow(seeds: int) -> list[Tensor]:
    sizes = ((DIM,), (DIM, HIDDEN), (HIDDEN, DIM), (DIM,), (HIDDEN,), (WINDOWS, DIM), (WINDOWS, STEPS, DIM), ())
    return [0.1 * torch.randn(seeds, *size) for size in sizes]


def milliseconds(function: Callable[..., Tensor], tensors: list[Tensor], leaves: int, repeats: int = 8) -> float:
    """CPU time of the fastest of some passes forward and back."""
    inputs = [t.requires_grad_() if i < leaves else t for i, t in enumerate(tensors)]
    times = []
    for _ in range(repeats + 1):
        start = time.process_time()
        torch.autograd.grad(function(*inputs).square().mean(), inputs[:leaves])
        times.append(time.process_time() - start)
    return 1000 * min(times[1:])


def almost_linear_eager(a: Tensor, w: Tensor, h: Tensor, z: Tensor, x: Tensor) -> Tensor:
    return forcing.forced_eagerly(a[0], w[0], h[0], z[0], x[0], RECTIFIED, INTERVAL)


def almost_linear_fused(*t: Tensor) -> Tensor:
    return forcing.forced(*t, RECTIFIED, INTERVAL)


def shallow_eager(*t: Tensor) -> Tensor:
    one = [v[0] for v in t]
    return generalized.mixed_eagerly((one[0], one[1], one[2], one[3], one[4]), one[5], one[6], one[7], 1, True)


def shallow_fused(*t: Tensor) -> Tensor:
    return generalized.mixed((t[0], t[1], t[2], t[3], t[4]), t[5], t[6], t[7], 1, True)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for name, make, eager, fused, leaves in (
        ("almost linear", almost_linear, almost_linear_eager, almost_linear_fused, 4),
        ("shallow", shallow, shallow_eager, shallow_fused, 6),
    ):
        base = milliseconds(eager, make(1), leaves)
        print(f"{name:14} eager            {base:7.2f} ms an update and seed")
        for on in (False, True) if compiled.available() else (False,):
            with (
                mock.patch.object(compiled, "available", lambda on=on: on),
                mock.patch.object(generalized, "available", lambda on=on: on),
            ):
                for seeds in (1, 8, 16):
                    each = milliseconds(fused, make(seeds), leaves) / seeds
                    kind = "compiled" if compiled else "fused"
                    print(f"{name:14} {kind:8} {seeds:2} seeds {each:8.2f} ms, {base / each:5.1f} times as fast")


if __name__ == "__main__":
    main()
