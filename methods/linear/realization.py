"""State-space identification: realization of an impulse response (ERA) and subspace identification (N4SID)."""

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

# Poles outside the unit circle are reflected into it, to at most this radius: models are stable.
_RADIUS = 0.999
# Residual variance relative to the mean square of the outputs, below which a fit is exact up to rounding errors.
_NOISE_FREE = 1e-20
# Maximum number of rows of a block Hankel matrix, past and future each: cost is cubic.
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
        """One-step predictor of `length` lags: x_{t+1} = (A - KC) x_t + (B - KD) u_t + K y_t."""
        closed, drive = self.a - self.k @ self.c, self.b - self.k @ self.d
        forced = np.zeros((length, self.b.shape[1], len(self.c)))
        recursive = np.zeros((length, len(self.c), len(self.c)))
        forced[0] = self.d.T
        observability = self.c
        for lag in range(length):
            if lag + 1 < length:
                forced[lag + 1] = (observability @ drive).T
            recursive[lag] = (observability @ self.k).T
            observability = observability @ closed
        count = self.a.size + self.b.size + self.c.size + self.d.size + (self.k.size if self.k.any() else 0)
        from_inputs = torch.from_numpy(forced) if self.b.shape[1] else None
        return LinearPredictor(from_inputs, torch.from_numpy(recursive) if self.k.any() else None, count)


def realize(markov: Float[ndarray, "lag dim channel"], order: int) -> StateSpace:
    """ERA: the balanced realization of order n (see `ho_kalman`) with stabilized A; D = G_0, K = 0.

    Raises UserError if the impulse response is too short for the order.
    """
    lags, dim, channels = markov.shape
    most = (lags - 1) // 2 * min(dim, channels)
    if order > most:
        raise UserError(f"order = {order}: {lags} Markov parameters realize at most {most} states; lower the order")
    a, b, c = ho_kalman(markov, order)
    return StateSpace(_stable(a), b, c, markov[0], np.zeros((len(a), dim)))


def _stable(a: ndarray) -> ndarray:
    """A with eigenvalues outside the unit circle moved to min(0.999, 1/|lambda|)."""
    values, vectors = np.linalg.eig(a)
    size = np.abs(values)
    if (size < 1).all():
        return a
    outside = np.maximum(size, 1.0)  # an eigenvalue may be 0
    reflected = values * np.where(size < 1, 1.0, np.minimum(_RADIUS, 1 / outside) / outside)
    return np.real(vectors * reflected @ np.linalg.inv(vectors))


@dataclass(frozen=True)
class ERA:
    """State-space model of order n, realized from the impulse response estimated by a FIR regression.

    order: n; taps: 2h + 1, lags of the FIR regression. Raises UserError for tasks without inputs.

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
            raise UserError("ERA needs a task with inputs, and this task has none")
        return realize(response.permute(0, 2, 1).numpy(), self.order).predictor(length)

    def fit_predictor(self, problem: Prediction, run: Run) -> LinearPredictor:
        """The simulation model, which does not use past outputs."""
        return self.fit_forecaster(Forecasting(problem.train, problem.validation, 0), run)


def subspace(paths: Trajectories, order: int, rows: int) -> StateSpace:
    """N4SID: state-space model of order n; states by oblique projection of future outputs on the past along future inputs.

    With L of the LQ decomposition of [U_f; Z_p; Y_f], Z_p = (U_p, Y_p): O = L_32 L_22^+ Z_p = U S V'; Gamma = U S^{1/2}; states
    X_t = Gamma^+ O, and X_{t+1} likewise with one block row moved from the future to the past; (A, B, C, D) by least squares,
    (Q, R, S) from its residuals, K from the Riccati equation, or 0 if that has no solution.

    rows: block rows of past and of future. Hankel matrices of all sequences are concatenated along columns.
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
        """The oblique projection O with `split` block rows of past."""
        future_u, future_y = stack(u, split, 2 * rows), stack(y, split, 2 * rows)
        past = np.concatenate([stack(u, 0, split), stack(y, 0, split)])
        stacked = np.concatenate([future_u, past, future_y])
        lower = np.asarray(np.linalg.qr(stacked.T, mode="r")).T
        a, b = len(future_u), len(future_u) + len(past)
        # Pseudo-inverse, since without noise the past is rank-deficient.
        return lower[b:, a:b] @ np.linalg.pinv(lower[a:b, a:b], rcond=1e-10) @ past

    current, following = project(rows), project(rows + 1)
    left, s, _ = np.linalg.svd(current, full_matrices=False)
    gamma = left[:, :order] * np.sqrt(s[:order])
    x, x_next = np.linalg.pinv(gamma) @ current, np.linalg.pinv(gamma[:-dim]) @ following
    regressors = np.concatenate([x, stack(u, rows, rows + 1)])
    targets = np.concatenate([x_next, stack(y, rows, rows + 1)])
    model = scipy.linalg.lstsq(regressors.T, targets.T)[0].T
    residuals = targets - model @ regressors
    a, b, c, d = model[:order, :order], model[:order, order:], model[order:, :order], model[order:, order:]
    covariance = residuals @ residuals.T / residuals.shape[1]
    return StateSpace(_stable(a), b, c, d, _gain(_stable(a), c, covariance, order, np.square(y).mean()))


def _gain(a: ndarray, c: ndarray, covariance: ndarray, order: int, power: float) -> ndarray:
    """Stationary Kalman gain from residual covariances; 0 if outputs of mean square `power` are fitted to rounding."""
    q, s, r = covariance[:order, :order], covariance[:order, order:], covariance[order:, order:]
    if np.trace(r) <= _NOISE_FREE * power:
        return np.zeros((order, len(c)))
    try:
        p = scipy.linalg.solve_discrete_are(a.T, c.T, q, r, s=s)
    except (np.linalg.LinAlgError, ValueError):
        return np.zeros((order, len(c)))
    # Pseudo-inverse: linearly dependent output channels have directions without innovation.
    return (a @ p @ c.T + s) @ np.linalg.pinv(c @ p @ c.T + r, rcond=1e-12, hermitian=True)


@dataclass(frozen=True)
class N4SID:
    """Subspace identification of x_{t+1} = A x_t + B u_t + K e_t, y_t = C x_t + D u_t + e_t (see `subspace`).

    orders: candidates; the one with the smallest one-step error on the validation sequences is used. Block rows:
        min(2n, T/8, 400/channels), at least 2; orders too large for the number of block rows are skipped. Raises UserError if
        all are.

    key: overschee1994
    """

    orders: tuple[Annotated[int, Range(1, 1000)], ...] = (2, 4, 8, 16)
    from_rest: ClassVar[bool] = True
    data_units: ClassVar[Units] = "scaled"
    # The order is chosen on validation data by the method itself.
    search_space: ClassVar[SearchSpace] = {}

    def fit_predictor(self, problem: Prediction, run: Run) -> LinearPredictor:
        """The model in innovation form, as a one-step predictor."""
        return self._fit(problem)

    def fit_forecaster(self, problem: Forecasting, run: Run) -> LinearPredictor:
        """The model in innovation form; innovations are zero after the context, or from the start without one."""
        return self._fit(problem)

    def _fit(self, problem: Prediction | Forecasting) -> LinearPredictor:
        length, dim = problem.train.observations.shape[1:]
        most = _MOST_ROWS // (dim + problem.train.channels)
        rows = {order: max(2, min(2 * order, length // 8, most)) for order in self.orders}
        orders = [n for n in self.orders if n <= (rows[n] - 1) * dim and length > 2 * rows[n]]
        if not orders:
            raise UserError(f"sequences of {length} samples are too short for N4SID of order {min(self.orders)}")
        models = [subspace(problem.train, order, rows[order]).predictor(length) for order in orders]
        validation = problem.validation

        def error(model: LinearPredictor) -> float:
            mse = (model.predict(validation)[0] - validation.observations).square().mean()
            return float(torch.nan_to_num(mse, nan=torch.inf))

        return min(models, key=error)
