"""Networks with Hankel weight matrices, applied by Fourier transforms, against dense and diagonal ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from dynamark.methods.koopman.networks import seeded
from dynamark.methods.training import Recipe, train
from dynamark.tasks.base import Scores
from dynamark.tasks.koopman import systems
from dynamark.tasks.koopman.systems import ODE, box
from dynamark.tasks.numerics.integrators import rk4
from dynamark.tasks.problems import Run

__all__ = ["HankelLayer", "NextState", "ShiftedWindow"]

_SLOPE = 0.2
# Delays and channels of the two experiments.
_WINDOW, _NEW = 32, 8


class HankelLayer(nn.Module):
    """y_i = sum_j D3 H_ij D1 x_j + b_i of windows x_j, H_ij Hankel: (H x)_a = sum_b h_{a+b} x_b, h of 2 n - 1 numbers.

    By FFTs of length 2 n: y = IFFT(conj(FFT(x)) FFT(h)). `diagonals`: D1 and D3 are trained diagonal matrices, else the identity.
    Entries of h are first uniform in +-1/sqrt(n inputs), as those of a dense layer.
    """

    def __init__(self, inputs: int, outputs: int, n: int, diagonals: bool = False) -> None:
        super().__init__()
        self.n = n
        self.sequence = nn.Parameter((2 * torch.rand(outputs, inputs, 2 * n - 1) - 1) / (n * inputs) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(outputs, n))
        self.before = nn.Parameter(torch.ones(inputs, n)) if diagonals else None
        self.after = nn.Parameter(torch.ones(outputs, n)) if diagonals else None

    def forward(self, x: Float[Tensor, "batch channel n"]) -> Float[Tensor, "batch output n"]:
        """One product for each pair of channels, summed over the inputs."""
        x = x if self.before is None else x * self.before
        spectrum = torch.fft.rfft(x, 2 * self.n).conj()[:, None] * torch.fft.rfft(self.sequence, 2 * self.n)
        y = torch.fft.irfft(spectrum.sum(dim=2), 2 * self.n)[..., : self.n]
        return (y if self.after is None else y * self.after) + self.bias


class DenseLayer(nn.Module):
    """A full matrix between all entries of the windows."""

    def __init__(self, inputs: int, outputs: int, n: int) -> None:
        super().__init__()
        self.n, self.map = n, nn.Linear(inputs * n, outputs * n)

    def forward(self, x: Float[Tensor, "batch channel n"]) -> Float[Tensor, "batch output n"]:
        """W x + b."""
        y: Tensor = self.map(x.flatten(1))
        return y.reshape(len(x), -1, self.n)


class DiagonalLayer(nn.Module):
    """y_i = sum_j d_ij x_j + b_i, d_ij diagonal: no delay acts on another."""

    def __init__(self, inputs: int, outputs: int, n: int) -> None:
        super().__init__()
        self.weight = nn.Parameter((2 * torch.rand(outputs, inputs, n) - 1) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(outputs, n))

    def forward(self, x: Float[Tensor, "batch channel n"]) -> Float[Tensor, "batch output n"]:
        """Elementwise."""
        return (self.weight * x[:, None]).sum(dim=2) + self.bias


LAYERS: dict[str, type[nn.Module]] = {"hankel": HankelLayer, "dense": DenseLayer, "diagonal": DiagonalLayer}


def network(kind: str, channels: int, n: int, depth: int, readout: int = 0) -> nn.Sequential:
    """`depth` layers with leaky ReLUs of slope 0.2 between them; `readout`: a linear map to so many numbers at the end."""
    parts: list[nn.Module] = []
    for _ in range(depth):
        parts += [LAYERS[kind](channels, channels, n), nn.LeakyReLU(_SLOPE)]
    ending = [nn.Flatten(), nn.Linear(channels * n, readout)] if readout else []
    return nn.Sequential(*(parts if readout else parts[:-1]), *ending)


def count(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in module.parameters())


def _fitted(build: Callable[[], nn.Module], x: Tensor, y: Tensor, noise: float, steps: int, run: Run) -> nn.Module:
    """Adam with a one-cycle rate of 5e-3, batches of 64; noise N(0, noise^2) is added to each input."""
    with seeded(run):
        module = build()

    def batch(member: int, own: Run) -> tuple[Tensor, Tensor]:
        index = torch.randint(len(x), (64,), generator=own.generator)
        return x[index] + noise * torch.randn((64, *x.shape[1:]), generator=own.generator), y[index]

    def loss(model: Any, inputs: Tensor, targets: Tensor) -> Tensor:
        return (model(inputs) - targets).square().mean()

    recipe = Recipe(steps=steps, rate=5e-3, schedule="one_cycle")
    return train([module], loss, batch, [run], recipe)[0].requires_grad_(False)


@dataclass(frozen=True)
class ShiftedWindow:
    """A window of 32 samples of a Lotka-Volterra cycle is mapped to the window 8 samples later: 24 known samples, 8 new ones.

    All rates 0.5, initial states in [0.5, 2]^2, 0.2 apart; 50 trajectories of 200 samples to learn from, 20 to test. Networks of
    depth 3 with Hankel and with dense layers, and a dense map alone; noise 0.01 on the inputs of training.
    layers: `hankel`, or `diagonal` layers in its place. Scores: `saved`, the share of parameters that the structured network
    saves against the dense one; `structured`, `dense`, `one_layer`: root mean squared error of the 8 new samples in training
    standard deviations; `error_ratio`, structured over dense; `shallow_ratio`, structured over the dense map alone.
    Source: Aluvihare, Lingsch, Li and Perera 2025; a reconstruction, because the paper factorizes its weights in another way.
    """

    layers: Literal["hankel", "diagonal"] = "hankel"
    steps: int = 2500
    depth: int = 3

    def measure(self, run: Run) -> Scores:
        """One training set; all networks are trained on the same batches."""
        flow, starts = ODE(systems.lotka_volterra(0.5, 0.5, 0.5, 0.5), substeps=1), box((0.5, 0.5), (2.0, 2.0))
        train_paths, test_paths = (flow(starts(run.numpy, n), 0.2, 199) for n in (50, 20))
        mean, sd = train_paths.mean(axis=(0, 1)), train_paths.std(axis=(0, 1))
        (x, y), (x_test, y_test) = (_shifted((paths - mean) / sd) for paths in (train_paths, test_paths))
        entropy = [*run.entropy, 1]
        errors, parameters = {}, {}
        for name, (kind, depth) in {
            "structured": (self.layers, self.depth),
            "dense": ("dense", self.depth),
            "one_layer": ("dense", 1),
        }.items():

            def build(kind: str = kind, depth: int = depth) -> nn.Module:
                return network(kind, 2, _WINDOW, depth)

            module = _fitted(build, x, y, 0.01, self.steps, Run(entropy))
            new = (module(x_test) - y_test)[..., -_NEW:]
            errors[name], parameters[name] = float(new.square().mean().sqrt()), count(module)
        return Scores(
            errors
            | {
                "saved": 1 - parameters["structured"] / parameters["dense"],
                "error_ratio": errors["structured"] / errors["dense"],
                "shallow_ratio": errors["structured"] / errors["one_layer"],
            }
        )


def _shifted(paths: Float[ndarray, "trajectory time 2"]) -> tuple[Tensor, Tensor]:
    """Windows [window, channel, 32] and those 8 samples later."""
    views = torch.from_numpy(paths).float().unfold(1, _WINDOW, 1)
    return views[:, :-_NEW].flatten(0, 1), views[:, _NEW:].flatten(0, 1)


@dataclass(frozen=True)
class NextState:
    """The next state of Lorenz 63 (step 0.01) from a window of 16 states: Hankel, dense and diagonal networks of depth 3.

    5,000 samples to learn from and 5,000 to test. The diagonal network has as many layers as make its parameters about as many
    as those of the Hankel network. layers: `hankel`, or `diagonal` of depth 3 in its place. Scores: `parameters`, structured over
    dense; `error_ratio`, mean squared test error of structured over dense; `diagonal_ratio`, of diagonal over structured;
    `structured`, `dense`, `diagonal`: these errors, in training variances; `time_ratio`, processor time of a dense product of
    size 1,024 over the Hankel one by FFT, batches of 64.
    Source: Aluvihare, Lingsch, Li and Perera 2025; a reconstruction, because the paper factorizes its weights in another way.
    """

    layers: Literal["hankel", "diagonal"] = "hankel"
    steps: int = 2500
    samples: int = 5000

    def measure(self, run: Run) -> Scores:
        """One orbit."""
        start = run.numpy.uniform(-1, 1, (1, 3)) + np.array([0.0, 1.0, 20.0])
        orbit = rk4(_lorenz, start, 0.01, 2 * self.samples + 1000)[0, 1000:]
        scaled = torch.from_numpy((orbit - orbit.mean(axis=0)) / orbit.std(axis=0)).float()
        views, targets = scaled.unfold(0, 16, 1)[:-1], scaled[16:]
        half = self.samples - 16
        sizes = {"structured": (self.layers, 3), "dense": ("dense", 3), "diagonal": ("diagonal", 5)}
        errors, parameters = {}, {}
        for name, (kind, depth) in sizes.items():

            def build(kind: str = kind, depth: int = depth) -> nn.Module:
                return network(kind, 3, 16, depth, readout=3)

            module = _fitted(build, views[:half], targets[:half], 0.0, self.steps, Run([*run.entropy, 1]))
            gap = module(views[self.samples :]) - targets[self.samples :]
            errors[name], parameters[name] = float(gap.double().square().mean()), count(module)
        return Scores(
            errors
            | {
                "parameters": parameters["structured"] / parameters["dense"],
                "error_ratio": errors["structured"] / errors["dense"],
                "diagonal_ratio": errors["diagonal"] / errors["structured"],
                "time_ratio": _time(DenseLayer(1, 1, 1024)) / _time(HankelLayer(1, 1, 1024)),
            }
        )


def _lorenz(x: ndarray) -> ndarray:
    a, b, c = x.T
    return np.stack([10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c], axis=1)


def _time(layer: nn.Module) -> float:
    """Processor time of a pass, the least of five of ten passes each."""
    x = torch.ones(64, 1, 1024)
    taken = []
    with torch.no_grad():
        for _ in range(5):
            begin = time.process_time()
            for _ in range(10):
                layer(x)
            taken.append(time.process_time() - begin)
    return min(taken)
