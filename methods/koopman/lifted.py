"""Models that are linear in their features: forecasts with periodic re-lifting, eigenvalues, eigenfunctions."""

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
    """All states that have a successor, and their successors."""
    x = trajectories.observations.double()
    return x[:, :-1].reshape(-1, x.shape[2]), x[:, 1:].reshape(-1, x.shape[2])


def lifted_pairs(
    lift: Dictionary, x: Float[Tensor, "pair dim"], y: Float[Tensor, "pair dim"]
) -> Iterator[tuple[Tensor, Tensor]]:
    """(psi(x), psi(y)) in chunks of pairs."""
    for start in range(0, len(x), _CHUNK):
        yield lift(x[start : start + _CHUNK]), lift(y[start : start + _CHUNK])


@dataclass(frozen=True)
class LiftedModel:
    """psi <- psi K, x = decode(psi); every `relift` steps the state is decoded and lifted again (0: never).

    The lift is a dictionary or a trained encoder. Re-lifting projects psi back onto the image of the state space, from which a
    linear map of features drifts away.

    Source of re-lifting: Fathi et al. 2023, Course correcting Koopman representations.
    """

    lift: Callable[[Tensor], Tensor]
    matrix: Tensor
    decode: Callable[[Tensor], Tensor]
    stored: int  # floats of lift and decode
    relift: int = 0

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """Iterate the linear map from the features of the last context state."""
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
        """lambda with K v = lambda v, by decreasing modulus."""
        return self._eig[0]

    def eigenfunctions(self, points: Float[Tensor, "point window dim"]) -> Tensor:
        """psi(x) v at the last state of each window."""
        return self.lift(points[:, -1].double()).to(torch.complex128) @ self._eig[1]

    def parameter_count(self) -> int:
        """Entries of K, and the numbers that lift and decoder store."""
        return self.matrix.numel() + self.stored


def clipped(matrix: Float[Tensor, "feature feature"]) -> Float[Tensor, "feature feature"]:
    """The matrix with the moduli of its eigenvalues clipped to 1, a control that separates accuracy from stability."""
    values, vectors = torch.linalg.eig(matrix)
    stable_values = values / values.abs().clamp(min=1.0)
    return torch.linalg.solve(vectors, vectors * stable_values, left=False).real


def best_relift(model: LiftedModel, validation: Trajectories, periods: Sequence[int]) -> int:
    """The period with the least mean squared error on validation trajectories, the first one of a tie (0: never re-lift).

    Returns 0 if the trajectories have a single state and so no forecast to compare with.
    """
    if validation.observations.shape[1] < 2:
        return 0
    start, truth = (
        Trajectories(validation.observations[:, :1], dt=validation.dt),
        validation.observations[:, 1:].double(),
    )
    steps = truth.shape[1]
    candidates = [k for k in periods if k < steps] or [0]
    errors = [(replace(model, relift=k).forecast(start, steps) - truth).square().mean() for k in candidates]
    return candidates[int(torch.nan_to_num(torch.stack(errors), nan=torch.inf).argmin())]
