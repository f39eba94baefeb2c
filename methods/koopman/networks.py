"""Components of the trained Koopman methods: layers, seeded initialization, scaling, windows of trajectories."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamark.tasks.problems import Run, Trajectories

__all__ = ["Activation", "Scaling", "mlp", "seeded", "windows"]

Activation = Literal["elu", "gelu", "leaky_relu", "relu", "tanh"]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
}


@contextmanager
def seeded(run: Run) -> Iterator[None]:
    """Seed PyTorch's layer initialization from the run's generator; the global random state is restored afterwards."""
    seed = int(torch.randint(2**62, (), generator=run.generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def mlp(widths: tuple[int, ...], activation: str) -> nn.Sequential:
    """Linear layers with the given widths, the activation between them."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


class Scaling(nn.Module):
    """u = (x - mean)/sd, with mean and sd of the training data, so that the inputs of networks are of order 1."""

    mean: Tensor
    sd: Tensor

    def __init__(self, train: Trajectories) -> None:
        super().__init__()
        flat = train.observations.double().flatten(0, 1)
        sd = flat.std(0)
        self.register_buffer("mean", flat.mean(0))
        self.register_buffer("sd", torch.where(sd > 0, sd, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        """From units of the data to units of the network."""
        return (x - self.mean) / self.sd

    def back(self, u: Tensor) -> Tensor:
        """From units of the network to units of the data."""
        return u * self.sd + self.mean


def windows(
    paths: Float[Tensor, "trajectory time dim"], length: int, count: int, generator: torch.Generator
) -> Float[Tensor, "window state dim"]:
    """`count` windows of `length` states (of the whole trajectory if it is shorter), drawn uniformly."""
    length = min(length, paths.shape[1])
    trajectory = torch.randint(len(paths), (count,), generator=generator)
    start = torch.randint(paths.shape[1] - length + 1, (count,), generator=generator)
    return paths[trajectory[:, None], start[:, None] + torch.arange(length)]
