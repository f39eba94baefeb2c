"""State-space models from data: realization of an impulse response (ERA), and subspace identification (N4SID)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import scipy.linalg
import torch
from jaxtyping import Float
from numpy import ndarray

from dynamark.errors import UserError
from dynamark.methods.fields import Range, SearchSpace, Units
from dynamark.methods.linear import banks
from dynamark.methods.linear.model import LinearPredictor
from dynamark.methods.linear.regression import regress
from dynamark.tasks.numerics.realization import ho_kalman
from dynamark.tasks.problems import Forecasting, Prediction, Run, Trajectories

__all__ = ["ERA", "N4SID", "StateSpace", "realize", "subspace"]

# Poles beyond the unit circle are reflected, to this radius at most: nothing that grows is simulated.
_RADIUS = 0.999
# Residual variance, in parts of that of the outputs, below which a fit is exact but for rounding.
_NOISE_FREE = 1e-20
# Rows of a block Hankel matrix at most, past and future each: what is beyond costs time cubed.
_MOST_ROWS = 400


@dataclass(frozen=True)
class StateSpace:
    """x_{t+1} = A x_t + B u_t + K e_t, y_t = C x_t + D u_t + e_t, x_1 = 0; K = 0 for a simulation model."""

    a: Float[ndarray, "state state"]
    b: Float[ndarray, "state channel"]
    c: Float[ndarray, "dim state"]
    d: Float[ndarray, "dim channel"]
    k: Float[ndarray, "state dim"]

    def predictor(self, length: int) -> LinearPredictor:
        """Its impulse responses: x_{t+1} = (A - KC) x_t + (B - KD) u_t + K y_t."""
        closed, enter = self.a - self.k @ self.c, self.b - self.k @ self.d
        forced = np.zeros((length, self.b.shape[1], len(self.c)))
        recursive = np.zeros((length, len(self.c), len(self.c)))
        forced[0] = self.d.T
        reached = self.c
        for lag in range(length):
            if lag + 1 < length:
                forced[lag + 1] = (reached @ enter).T
            recursive[lag] = (reached @ self.k).T
            reached = reached @ closed
        count = self.a.size + self.b.size + self.c.size + self.d.size + (self.k.size if self.k.any() else 0)
        from_inputs = torch.from_numpy(forced) if self.b.shape[1] else None
        return LinearPredictor(from_inputs, torch.from_numpy(recursive) if self.k.any() else None, count)


def realize(markov: Float[ndarray, "lag dim channel"], order: int) -> StateSpace:
    """The balanced realization of order n (see `ho_kalman`), made stable; D = G_0: the eigensystem realization algorithm."""
    lags, dim, channels = markov.shape
    most = (lags - 1) // 2 * min(dim, channels)
    if order > most:
        raise UserError(f"order = {order}: {lags} Markov parameters realize at most {most}")
    a, b, c = ho_kalman(markov, order)
    return StateSpace(_stable(a), b, c, markov[0], np.zeros((len(a), dim)))


def _stable(a: ndarray) -> ndarray:
    """A with eigenvalues outside the unit circle moved to min(0.999, 1/|lambda|)."""
    values, vectors = np.linalg.eig(a)
    size = np.abs(values)
    if (size < 1).all():
        return a
    moved = values * np.where(size < 1, 1.0, np.minimum(_RADIUS, 1 / size) / size)
    return np.real(vectors * moved @ np.linalg.inv(vectors))


@dataclass(frozen=True)
class ERA:
    """A state-space model of order n from the impulse response that a long finite-response regression finds.

    order: n; taps: 2h + 1 lags of the regression.

    key: juang1985
    """

    order: Annotated[int, Range(1, 1000)] = 16
    taps: Annotated[int, Range(3, 10_000)] = 101
    from_rest: ClassVar[bool] = True
    data_units: ClassVar[Units] = "scaled"
    search_space: ClassVar[SearchSpace] = {"order": (16, 4, 8, 32), "taps": (101, 51, 201)}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> LinearPredictor:
        """A simulation model."""
        length = problem.train.observations.shape[1]
        bank = banks.taps(min(self.taps, length), min(self.taps, length))
        response = regress(problem, bank, None)[0].from_inputs
        if response is None:
            raise UserError("ERA realizes the response to inputs; this task has none")
        return realize(response.permute(0, 2, 1).numpy(), self.order).predictor(length)

    def fit_predictor(self, problem: Prediction, run: Run) -> LinearPredictor:
        """The same simulation model: past outputs are not used."""
        return self.fit_forecaster(Forecasting(problem.train, problem.validation, 0), run)


def subspace(paths: Trajectories, order: int, rows: int) -> StateSpace:
    """N4SID: the order-n model whose states are an oblique projection of future outputs on the past along future inputs.

    L of the LQ decomposition of [U_f; Z_p; Y_f], Z_p = (U_p, Y_p), gives O = L_32 L_22^+ Z_p = U S V'; Gamma = U S^{1/2};
    states X = Gamma^+ O and, with one block row moved from the future to the past, the next ones; (A, B, C, D) by least squares,
    (Q, R, S) from its residuals, K from the Riccati equation, or 0 where that has no solution.

    rows: block rows of past and future; sequences stand side by side as further columns.
    """
    y = paths.observations.numpy().transpose(0, 2, 1)
    u = np.zeros((len(y), 0, y.shape[2])) if paths.inputs is None else paths.inputs.numpy().transpose(0, 2, 1)
    dim, columns = y.shape[1], y.shape[2] - 2 * rows + 1

    def stack(x: ndarray, first: int, last: int) -> ndarray:
        """Block rows first .. last-1 of the Hankel matrix of a signal."""
        parts = [
            x[:, :, k : k + columns].transpose(1, 0, 2).reshape(x.shape[1], len(x) * columns)
            for k in range(first, last)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(x) * columns))

    def project(split: int) -> ndarray:
        """The oblique projection with `split` block rows of past."""
        future_u, future_y = stack(u, split, 2 * rows), stack(y, split, 2 * rows)
        past = np.concatenate([stack(u, 0, split), stack(y, 0, split)])
        whole = np.concatenate([future_u, past, future_y])
        lower = np.asarray(np.linalg.qr(whole.T, mode="r")).T
        a, b = len(future_u), len(future_u) + len(past)
        # Without noise the past is rank deficient, whence the pseudo-inverse.
        return lower[b:, a:b] @ np.linalg.pinv(lower[a:b, a:b], rcond=1e-10) @ past

    now, later = project(rows), project(rows + 1)
    left, s, _ = np.linalg.svd(now, full_matrices=False)
    gamma = left[:, :order] * np.sqrt(s[:order])
    x, x_next = np.linalg.pinv(gamma) @ now, np.linalg.pinv(gamma[:-dim]) @ later
    known = np.concatenate([x, stack(u, rows, rows + 1)])
    wanted = np.concatenate([x_next, stack(y, rows, rows + 1)])
    model = scipy.linalg.lstsq(known.T, wanted.T)[0].T
    rest = wanted - model @ known
    a, b, c, d = model[:order, :order], model[:order, order:], model[order:, :order], model[order:, order:]
    return StateSpace(
        _stable(a), b, c, d, _gain(_stable(a), c, rest @ rest.T / rest.shape[1], order, np.square(y).mean())
    )


def _gain(a: ndarray, c: ndarray, covariance: ndarray, order: int, power: float) -> ndarray:
    """The stationary Kalman gain of these residual covariances; 0 where outputs of this mean square are met to rounding."""
    q, s, r = covariance[:order, :order], covariance[:order, order:], covariance[order:, order:]
    if np.trace(r) <= _NOISE_FREE * power:
        return np.zeros((order, len(c)))
    try:
        p = scipy.linalg.solve_discrete_are(a.T, c.T, q, r, s=s)
    except (np.linalg.LinAlgError, ValueError):
        return np.zeros((order, len(c)))
    # Directions of the outputs without an innovation (dependent channels) correct nothing.
    return (a @ p @ c.T + s) @ np.linalg.pinv(c @ p @ c.T + r, rcond=1e-12, hermitian=True)


@dataclass(frozen=True)
class N4SID:
    """Subspace identification of x_{t+1} = A x_t + B u_t + K e_t, y_t = C x_t + D u_t + e_t (see `subspace`).

    orders: tried in turn; the least one-step error on the validation sequences is kept. Block rows: min(2n, T/8, 400/channels),
        at least 2; an order that so many rows do not show is left out. Raises UserError if that leaves none.

    key: overschee1994
    """

    orders: tuple[Annotated[int, Range(1, 1000)], ...] = (2, 4, 8, 16)
    from_rest: ClassVar[bool] = True
    data_units: ClassVar[Units] = "scaled"
    # The order is chosen on validation data by the method itself.
    search_space: ClassVar[SearchSpace] = {}

    def fit_predictor(self, problem: Prediction, run: Run) -> LinearPredictor:
        """In innovation form."""
        return self._fit(problem)

    def fit_forecaster(self, problem: Forecasting, run: Run) -> LinearPredictor:
        """The innovation form, rolled on from a context; from rest the innovations are 0."""
        return self._fit(problem)

    def _fit(self, problem: Prediction | Forecasting) -> LinearPredictor:
        length, dim = problem.train.observations.shape[1:]
        most = _MOST_ROWS // (dim + problem.train.channels)
        rows = {order: max(2, min(2 * order, length // 8, most)) for order in self.orders}
        shown = [n for n in self.orders if n <= (rows[n] - 1) * dim and length > 2 * rows[n]]
        if not shown:
            raise UserError(f"sequences of {length} samples are too short for N4SID of order {min(self.orders)}")
        models = [subspace(problem.train, order, rows[order]).predictor(length) for order in shown]
        held = problem.validation

        def error(model: LinearPredictor) -> float:
            rest = (model.predict(held)[0] - held.observations).square().mean()
            return float(torch.nan_to_num(rest, nan=torch.inf))

        return min(models, key=error)
