"""A fitted linear map of features: rollout with periodic return to the state, eigenvalues, eigenfunctions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.koopman.dictionaries import Dictionary
from dynamark.tasks.problems import Trajectories

__all__ = ["LiftedModel", "best_relift", "clipped", "lifted_pairs", "pairs"]

_CHUNK = 8192


def pairs(trajectories: Trajectories) -> tuple[Float[Tensor, "pair dim"], Float[Tensor, "pair dim"]]:
    """All states that have a successor, and the successors."""
    x = trajectories.observations.double()
    return x[:, :-1].reshape(-1, x.shape[2]), x[:, 1:].reshape(-1, x.shape[2])


def lifted_pairs(
    lift: Dictionary, x: Float[Tensor, "pair dim"], y: Float[Tensor, "pair dim"]
) -> Iterator[tuple[Tensor, Tensor]]:
    """(psi(x), psi(y)) in chunks."""
    for start in range(0, len(x), _CHUNK):
        yield lift(x[start : start + _CHUNK]), lift(y[start : start + _CHUNK])


@dataclass(frozen=True)
class LiftedModel:
    """psi <- psi K, x = decode(psi); every `relift` steps the state is decoded and lifted anew (0: never).

    A lift is a dictionary or a trained encoder. Returning to the state keeps psi on the image of the state space, from which a
    linear map of features drifts away.

    Source of relifting: Fathi et al. 2023, Course correcting Koopman representations.
    """

    lift: Callable[[Tensor], Tensor]
    matrix: Tensor
    decode: Callable[[Tensor], Tensor]
    stored: int  # floats of lift and decode
    relift: int = 0

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """Roll the features forward from the last state of the context."""
        z, states = self.lift(context.observations[:, -1].double()), []
        for n in range(1, horizon + 1):
            z = z @ self.matrix
            states.append(self.decode(z))
            if self.relift and n % self.relift == 0:
                z = self.lift(states[-1])
        return torch.stack(states, dim=1)

    @cached_property
    def _eig(self) -> tuple[Tensor, Tensor]:
        values, vectors = torch.linalg.eig(self.matrix)
        order = torch.argsort(values.abs(), descending=True, stable=True)
        return values[order], vectors[:, order]

    def eigenvalues(self) -> Tensor:
        """lambda with K v = lambda v, by modulus."""
        return self._eig[0]

    def eigenfunctions(self, points: Float[Tensor, "point window dim"]) -> Tensor:
        """psi(x) v at the last state of each window."""
        return self.lift(points[:, -1].double()).to(torch.complex128) @ self._eig[1]

    def parameter_count(self) -> int:
        """K, and what lifting and decoding store."""
        return self.matrix.numel() + self.stored


def clipped(matrix: Float[Tensor, "feature feature"]) -> Float[Tensor, "feature feature"]:
    """The matrix with the moduli of its eigenvalues clipped to 1: the control that separates accuracy from stability."""
    values, vectors = torch.linalg.eig(matrix)
    shrunk = values / values.abs().clamp(min=1.0)
    return torch.linalg.solve(vectors, vectors * shrunk, left=False).real


def best_relift(model: LiftedModel, held: Trajectories, periods: Sequence[int]) -> int:
    """The period of least root mean square error over held-out trajectories, the first of equals (0: never).

    Trajectories of a single state hold nothing out: 0.
    """
    if held.observations.shape[1] < 2:
        return 0
    start, truth = Trajectories(held.observations[:, :1], dt=held.dt), held.observations[:, 1:].double()
    steps = truth.shape[1]
    fitting = [k for k in periods if k < steps] or [0]
    gaps = [(replace(model, relift=k).forecast(start, steps) - truth).square().mean() for k in fitting]
    return fitting[int(torch.nan_to_num(torch.stack(gaps), nan=torch.inf).argmin())]
