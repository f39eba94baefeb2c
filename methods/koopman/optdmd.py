"""Optimized DMD: exponentials fitted to all snapshots of a trajectory at once, which noise in early snapshots does not bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Complex, Float
from numpy import ndarray
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Order, SearchSpace, Units
from dynamark.methods.koopman.dmd import delayed_pairs, dmd
from dynamark.methods.koopman.modal import ModalModel
from dynamark.tasks.numerics.exponentials import fit_exponentials
from dynamark.tasks.problems import Forecasting, Run

__all__ = ["OptDMD", "shared_modes"]


@dataclass(frozen=True)
class OptDMD:
    """min over rates a and amplitudes B of |X - e^{t a} B|, initialized with the rates of projected DMD.

    Trajectories are channels of one fit, each with its own amplitudes; all share the modes: mode k of the state is the leading
    direction of the amplitudes of rate k over trajectories. rank: number of rates; 0 uses the dimension of the state.

    Source: Askham and Kutz 2018; the extension to several trajectories is not from the paper.
    key: askham2018
    """

    rank: Order = 0
    data_units: ClassVar[Units] = "scaled"
    search_space: ClassVar[SearchSpace] = {"rank": (0, 2, 4, 8)}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> ModalModel:
        """Projected DMD for the initial rates, then Levenberg-Marquardt."""
        x = problem.train.observations.double()
        basis, step = dmd(*delayed_pairs(problem.train, 1), self.rank, exact=False)
        values = torch.linalg.eigvals(step @ basis).numpy()
        if len(values) == 0:
            raise UserError(
                "optdmd: the training data is zero, so there is no rate to fit; use training data that varies"
            )
        if x.shape[1] <= len(values):
            raise UserError(
                f"optdmd: trajectories of {x.shape[1]} states do not determine {len(values)} rates; use longer trajectories or a "
                "smaller rank"
            )
        rates = np.log(np.where(np.abs(values) > 1e-8, values, 1e-8)) / problem.train.dt
        times = problem.train.dt * np.arange(x.shape[1])
        channels = x.transpose(0, 1).flatten(1).numpy()
        return shared_modes(x, fit_exponentials(channels, times, rates.astype(complex))[0], problem.train.dt)


def shared_modes(x: Float[Tensor, "trajectory time dim"], rates: Complex[ndarray, " mode"], dt: float) -> ModalModel:
    """The model with the given rates: mode k is the leading direction of the least-squares amplitudes of all trajectories."""
    exponentials = np.exp(dt * np.outer(np.arange(x.shape[1]), rates))
    channels = x.transpose(0, 1).flatten(1).numpy().astype(complex)
    amplitudes = np.linalg.lstsq(exponentials, channels, rcond=None)[0]
    by_trajectory = amplitudes.reshape(len(rates), len(x), x.shape[2])
    modes = torch.from_numpy(np.stack([np.linalg.svd(a, full_matrices=False)[2][0] for a in by_trajectory]))
    inverse = torch.linalg.pinv(modes)
    return ModalModel(torch.from_numpy(np.exp(rates * dt)), lambda states: states.to(inverse) @ inverse, modes, 0)
