"""Methods fitted by PyDMD and pysindy, an optional extra: `pip install 'dynamark[dmd]'`. Forecasts are computed here."""

from __future__ import annotations

import importlib
import math
import warnings
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Order, Penalty, Range, SearchSpace, Share, Units
from dynamark.methods.koopman.dmd import DMDModel
from dynamark.methods.koopman.modal import ModalModel
from dynamark.methods.koopman.optdmd import shared_modes
from dynamark.tasks.numerics.integrators import dop853
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["HAVOK", "BaggedDMD", "PySINDy"]


def extra(module: str) -> Any:
    """A module of the optional extra; UserError with the command that installs it if it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as missing:
        raise UserError(f"{module} is not installed ({missing}); pip install 'dynamark[dmd]'") from None


@dataclass(frozen=True)
class BaggedDMD:
    """Optimized DMD on `trials` random subsets of the snapshots, with averaged rates: PyDMD's BOPDMD.

    trials: number of subsets; 0 fits all snapshots at once. share: fraction of the snapshots in a subset. rank: number of rates;
    0 uses the dimension of the state. Rates form complex-conjugate pairs. Trajectories are channels of one fit; amplitudes and
    modes are computed as in `OptDMD`.

    Source: Sashidhar and Kutz 2022; PyDMD.
    key: sashidhar2022
    """

    rank: Order = 0
    trials: Order = 20
    share: Share = 0.6
    data_units: ClassVar[Units] = "scaled"
    search_space: ClassVar[SearchSpace] = {"rank": (0, 2, 4, 8), "share": (0.6, 0.8)}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> ModalModel:
        """Variable projection, `trials` times; NumPy's global generator, which PyDMD uses, is seeded and then restored."""
        bopdmd = extra("pydmd").BOPDMD
        x = problem.train.observations.double()
        rank = self.rank or x.shape[2]
        model = bopdmd(
            svd_rank=rank, num_trials=self.trials, trial_size=self.share, eig_constraints={"conjugate_pairs"}
        )
        state = np.random.get_state()  # noqa: NPY002
        try:
            np.random.seed(int(run.numpy.integers(2**31)))  # noqa: NPY002
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(x.transpose(0, 1).flatten(1).T.numpy(), problem.train.dt * np.arange(x.shape[1]))
        finally:
            np.random.set_state(state)  # noqa: NPY002
        return shared_modes(x, np.asarray(model.eigs, dtype=complex), problem.train.dt)


@dataclass(frozen=True)
class HAVOK:
    """v' = A v + B v_r on the leading r principal components of delay windows: PyDMD's HAVOK, forecast with v_r = 0.

    HAVOK is an analysis tool; its forecast here ignores the forcing v_r, which is not known in advance. Of several trajectories
    only the first is used. delays: states in a window; rank: r; 0 uses PyDMD's default choice.

    Source: Brunton et al. 2017, Chaos as an intermittently forced linear system; PyDMD.
    key: brunton2017
    """

    delays: Annotated[int, Range(2, 4096)] = 32
    rank: Order = 0
    data_units: ClassVar[Units] = "scaled"
    search_space: ClassVar[SearchSpace] = {"delays": (32, 8, 16, 64), "rank": (0, 4, 8, 16)}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> DMDModel:
        """One singular value decomposition, and the flow of A over one time step."""
        havok = extra("pydmd").HAVOK
        x = problem.train.observations[0].double()
        delays = min(self.delays, len(x) // 2)
        model = havok(svd_rank=self.rank, delays=delays).fit(x.T.numpy(), problem.train.dt)
        flow = torch.linalg.matrix_exp(problem.train.dt * torch.from_numpy(np.asarray(model.A, dtype=float)))
        rank = len(flow)
        u, s = (torch.from_numpy(np.asarray(part, dtype=float)) for part in (model.modes, model.singular_vals))
        u, s = u[:, :rank], s[:rank]
        return DMDModel(u / s, flow.T @ (u * s).T, x.shape[1])


@dataclass(frozen=True)
class PySINDy:
    """x' = Theta(x) Xi, Xi sparse: pysindy with polynomials and thresholded least squares, integrated by steps of order 8.

    substeps: integration steps per sample. pysindy's own `simulate` takes over a second per trajectory and is not used.

    Source: Brunton, Proctor and Kutz 2016; Kaptanoglu et al. 2022 for pysindy.
    key: kaptanoglu2022
    """

    degree: Annotated[int, Range(1, 20)] = 3
    threshold: Penalty = 0.05
    substeps: Annotated[int, Range(1, 1000)] = 2
    data_units: ClassVar[Units] = "raw"  # the equations are sparse in these units
    search_space: ClassVar[SearchSpace] = {"threshold": (0.05, 0.01, 0.1, 0.3), "degree": (3, 2, 5)}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> FieldModel:
        """One sparse regression over all trajectories."""
        pysindy = extra("pysindy")
        model = pysindy.SINDy(
            optimizer=pysindy.STLSQ(threshold=self.threshold),
            feature_library=pysindy.PolynomialLibrary(degree=self.degree),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(list(problem.train.observations.double().numpy()), t=problem.train.dt)
        powers = np.asarray(model.feature_library.powers_)
        return FieldModel(powers, np.asarray(model.coefficients()), problem.train.dt, self.substeps)


@dataclass(frozen=True)
class FieldModel:
    """x' = Xi m(x), m the monomials with the given powers, Xi the coefficients."""

    powers: Int[ndarray, "feature dim"]
    coefficients: Float[ndarray, "dim feature"]
    dt: float
    substeps: int

    def _rates(self, x: Float[ndarray, "dim state"]) -> Float[ndarray, "dim state"]:
        return self.coefficients @ np.prod(x[None] ** self.powers[..., None], axis=1)

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """Integrate the equation; a trajectory that diverges becomes infinite."""
        start = context.observations[:, -1].double().numpy()
        with np.errstate(all="ignore"):
            path = dop853(self._rates, start, self.dt, horizon, self.substeps)
        return torch.from_numpy(np.nan_to_num(path[:, 1:], nan=math.inf))

    def parameter_count(self) -> int:
        """The number of nonzero coefficients."""
        return int(np.count_nonzero(self.coefficients))
