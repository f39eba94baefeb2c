"""State-dependent coefficients, f(x) = A(x) x: exact by quadrature of the Jacobian, or learned from data and used in control."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from dynamark.tasks.base import Scores
from dynamark.tasks.numerics.integrators import rk4_step
from dynamark.tasks.problems import Run

__all__ = ["StateDependentCoefficients", "StructuredTracking"]

# From states [state, 2] to f(x) [state, 2] and to its Jacobian [state, 2, 2].
Rates = Callable[[ndarray], ndarray]
_WORST = 1e3  # the tracking error of a plant that has left every bound


def _columns(*entries: ndarray | float) -> ndarray:
    """Entries of a vector or, row by row, of a matrix, on the last axis."""
    return np.stack(np.broadcast_arrays(*entries), axis=-1)


def _pendulum(x: ndarray) -> ndarray:
    return _columns(x[..., 1], np.sin(x[..., 0]) - 0.1 * x[..., 1])


def _pendulum_jacobian(x: ndarray) -> ndarray:
    return _columns(0.0, 1.0, np.cos(x[..., 0]), -0.1).reshape(*x.shape, 2)


def _duffing(x: ndarray) -> ndarray:
    return _columns(x[..., 1], -0.5 * x[..., 1] + x[..., 0] - x[..., 0] ** 3)


def _duffing_jacobian(x: ndarray) -> ndarray:
    return _columns(0.0, 1.0, 1 - 3 * x[..., 0] ** 2, -0.5).reshape(*x.shape, 2)


_PLANTS: dict[str, tuple[Rates, Rates]] = {
    "pendulum": (_pendulum, _pendulum_jacobian),
    "duffing": (_duffing, _duffing_jacobian),
}


@dataclass(frozen=True)
class StateDependentCoefficients:
    """f(x) = A(x) x with A(x) = int_0^1 J(s x) ds, for f(0) = 0 and J its Jacobian, by Gauss-Legendre quadrature.

    `pendulum`: (v, sin q - 0.1 v), upright at 0; `duffing`: (v, -0.5 v + q - q^3). States uniform in [-3, 3]^2.
    Scores: `error`, the largest |A(x) x - f(x)|; `jacobian_error`, the same with J(x) in place of A(x).
    Source: Richards et al., Learning Control-Oriented Dynamical Structure from Data, 2023, section 3.
    """

    system: Literal["pendulum", "duffing"] = "pendulum"
    nodes: int = 12
    states: int = 200

    def measure(self, run: Run) -> Scores:
        """Draw the states once and evaluate both factorizations at them."""
        f, jacobian = _PLANTS[self.system]
        x = run.numpy.uniform(-3, 3, (self.states, 2))
        exact, at_x = coefficients(jacobian, x, self.nodes), jacobian(x)
        errors = [float(np.abs((a @ x[..., None])[..., 0] - f(x)).max()) for a in (exact, at_x)]
        return Scores(dict(zip(("error", "jacobian_error"), errors, strict=True)))


def coefficients(
    jacobian: Rates, x: Float[ndarray, "state 2"], nodes: int, r: Float[ndarray, "state 2"] | float = 0.0
) -> Float[ndarray, "state 2 2"]:
    """int_0^1 J(r + s (x - r)) ds by Gauss-Legendre quadrature."""
    places, weights = np.polynomial.legendre.leggauss(nodes)
    return np.einsum("k,k...->...", weights / 2, jacobian(r + (places[:, None, None] + 1) / 2 * (x - r)))


# --- tracking


def _van_der_pol(x: ndarray, u: ndarray) -> ndarray:
    """x1' = x2, x2' = (1 - x1^2) x2 - x1 + u."""
    return _columns(x[..., 1], (1 - x[..., 0] ** 2) * x[..., 1] - x[..., 0] + u)


def _van_der_pol_jacobian(x: ndarray) -> ndarray:
    return _columns(0.0, 1.0, -1 - 2 * x[..., 0] * x[..., 1], 1 - x[..., 0] ** 2).reshape(*x.shape, 2)


@dataclass(frozen=True)
class StructuredTracking:
    """The van der Pol oscillator (mu = 1, input on x2') led along r = 1.5 (sin t, cos t) by state-dependent Riccati equations.

    u = u_r - R^{-1} B^T P (x - r), P the solution of the Riccati equation of (A(x, r), B), Q = I, R = 0.1, u_r the exact
    feed-forward; u is held for 0.02. A_w(x, r) is a network 4-64-64-4, B a constant vector, both fitted to random pairs of
    samples (x, u, x'), uniform in [-2, 2]^3:
    |A_w(x, y)(x - y) + B (u_x - u_y) - (x' - y')|^2 + 1e-4 |A_w|^2.
    Scores, root mean squares of x - r for 2 <= t <= `end`, from x = (1, 0): `learned`; `shuffled`, fitted to samples whose x'
    are permuted; `exact`, A(x, r) = int_0^1 J(r + s (x - r)) ds; `fixed`, A and B of the linearization at 0 (LQR); the
    quotients `over_fixed` and `over_exact` of `learned`, and `shuffled_over_fixed`.
    Source: Richards et al. 2023, sections 3 and 4.
    """

    samples: int = 1000
    steps: int = 3000
    batch: int = 256
    rate: float = 3e-3
    end: float = 20.0

    def measure(self, run: Run) -> Scores:
        """Both networks are trained together, in float32."""
        x, u = run.numpy.uniform(-2, 2, (self.samples, 2)), run.numpy.uniform(-2, 2, self.samples)
        slopes = _van_der_pol(x, u)
        model = self._train(run, x, u, np.stack([slopes, run.numpy.permutation(slopes)]))
        learned, shuffled, exact, fixed = tracking_errors(
            [
                lambda at, r: model(at, r, 0),
                lambda at, r: model(at, r, 1),
                lambda at, r: (coefficients(_van_der_pol_jacobian, at, 4, r), np.array([0.0, 1.0])),
                lambda at, r: (np.array([[[0.0, 1.0], [-1.0, 1.0]]]), np.array([0.0, 1.0])),
            ],
            self.end,
        )
        scores = {"learned": learned, "shuffled": shuffled, "exact": exact, "fixed": fixed}
        quotients = {"over_fixed": learned / fixed, "over_exact": learned / exact}
        return Scores(scores | quotients | {"shuffled_over_fixed": shuffled / fixed})

    def _train(
        self, run: Run, x: ndarray, u: ndarray, slopes: ndarray
    ) -> Callable[[ndarray, ndarray, int], tuple[ndarray, ndarray]]:
        """A_w(x, r) and B of the networks fitted to each set of slopes [network, sample, 2]."""
        networks = len(slopes)
        widths = ((4, 64), (64, 64), (64, 4))
        weights = [_uniform(run, (networks, a, b), a**-0.5) for a, b in widths]
        shifts = [_uniform(run, (networks, 1, b), a**-0.5) for a, b in widths]
        gain = torch.zeros(networks, 1, 2, requires_grad=True)

        def matrices(pairs: Tensor) -> Tensor:
            for weight, shift in zip(weights[:-1], shifts[:-1], strict=True):
                pairs = torch.tanh(torch.baddbmm(shift, pairs, weight))
            return torch.baddbmm(shifts[-1], pairs, weights[-1]).reshape(*pairs.shape[:-1], 2, 2)

        parameters = [*weights, *shifts, gain]
        optimizer = torch.optim.Adam(parameters, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.rate, total_steps=self.steps)
        states, inputs, targets = (torch.from_numpy(part).float() for part in (x, u, slopes))
        for _ in range(self.steps):
            first, second = torch.randint(self.samples, (2, self.batch), generator=run.generator)
            pairs = torch.cat([states[first], states[second]], dim=-1).expand(networks, -1, -1)
            a = matrices(pairs)
            moved = (a @ (states[first] - states[second])[..., None])[..., 0]
            fits = moved + gain * (inputs[first] - inputs[second])[:, None]
            error = fits - (targets[:, first] - targets[:, second])
            loss = (error.square().sum(-1) + 1e-4 * a.square().sum((-2, -1))).mean(-1).sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()

        def model(at: ndarray, r: ndarray, network: int) -> tuple[ndarray, ndarray]:
            with torch.no_grad():
                pairs = torch.from_numpy(np.concatenate([at, r], axis=-1)).float().expand(networks, -1, -1)
                return matrices(pairs)[network].double().numpy(), gain[network, 0].double().numpy()

        return model


def _uniform(run: Run, shape: tuple[int, ...], bound: float) -> Tensor:
    draws = torch.rand(shape, generator=run.generator)
    return (bound * (2 * draws - 1)).requires_grad_()


# From state and reference [1, 2] to A [1, 2, 2] and B [2].
Structure = Callable[[ndarray, ndarray], tuple[ndarray, ndarray]]


def tracking_errors(structures: list[Structure], end: float, step: float = 0.02) -> list[float]:
    """The root mean square of |x - r| of each controller from t = 2 on; the plants run side by side."""
    x = np.tile([1.0, 0.0], (len(structures), 1))
    squares = []
    for k in range(round(end / step)):
        r = 1.5 * np.array([[np.sin(k * step), np.cos(k * step)]])
        feedforward = -(1 - r[0, 0] ** 2) * r[0, 1]
        both = [structure(x[i : i + 1], r) for i, structure in enumerate(structures)]
        a, b = np.concatenate([pair[0] for pair in both]), np.stack([pair[1] for pair in both])
        u = feedforward - np.einsum("pi,pi->p", riccati_gains(a, b), x - r)
        x = np.clip(rk4_step(lambda state, u=u: _van_der_pol(state, u), x, step), -_WORST, _WORST)  # type: ignore[misc]
        if (k + 1) * step >= 2:
            now = 1.5 * np.array([np.sin((k + 1) * step), np.cos((k + 1) * step)])
            squares.append(np.square(x - now).sum(axis=1))
    return [min(float(error), _WORST) for error in np.sqrt(np.mean(squares, axis=0))]


def riccati_gains(
    a: Float[ndarray, "plant n n"], b: Float[ndarray, "plant n"], cost: float = 0.1
) -> Float[ndarray, "plant n"]:
    """R^{-1} B^T P of A^T P + P A - P B R^{-1} B^T P + I = 0: P = V U^{-1}, the stable subspace [U; V] of the Hamiltonian matrix.

    No feedback where the pair has no stabilizing solution.
    """
    plants, n = b.shape
    identity = np.broadcast_to(np.eye(n), a.shape)
    squared = b[:, :, None] * b[:, None, :] / cost
    values, vectors = np.linalg.eig(np.block([[a, -squared], [-identity, -a.mT]]))
    order = np.argsort(values.real, axis=1)[:, :n]
    stable = np.take_along_axis(vectors, order[:, None, :], axis=2)
    gains = np.zeros((plants, n))
    for i in range(plants):
        upper, lower = stable[i, :n], stable[i, n:]
        if np.linalg.cond(upper) < 1e12:
            gains[i] = b[i] @ (lower @ np.linalg.inv(upper)).real / cost
    return gains
