"""Measurements behind claims about chaotic reconstruction: Jacobian products, bounds, fixed points, and fits to raw data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy import ndarray
from scipy.integrate import solve_ivp
from torch import Tensor

from dynamark.methods.recurrent.alrnn import AlmostLinearRNN
from dynamark.methods.recurrent.ngrc import NextGenerationReservoir
from dynamark.methods.recurrent.shallow import ShallowModel, ShallowPLRNN
from dynamark.methods.recurrent.sindy import SparseIdentification
from dynamark.tasks.base import Scores
from dynamark.tasks.chaos.metrics import valid_time
from dynamark.tasks.chaos.systems import LORENZ63, orbits
from dynamark.tasks.numerics.lyapunov import lyapunov_spectrum
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = [
    "ClippedBound",
    "FixedPoints",
    "ForcedProducts",
    "IntegratorOfTheData",
    "SparseSupport",
    "log_product_norms",
]

# Relative and absolute tolerance: SciPy's defaults, and as accurate as matters.
_TOLERANCES = {"RK23": (1e-3, 1e-6), "DOP853": (1e-10, 1e-10)}


def _lorenz(run: Run, train: int, noise: float = 0.0) -> tuple[Forecasting, ndarray]:
    """A problem of standardized Lorenz data, and clean states of another orbit."""
    by_part = orbits(LORENZ63, {"train": (1, train), "test": (1, 4000)}, run.numpy)
    mean, scale = by_part["train"].mean(axis=(0, 1)), by_part["train"].std(axis=(0, 1))
    data = {name: (x - mean) / scale for name, x in by_part.items()}
    noisy = data["train"] + noise * run.numpy.standard_normal(data["train"].shape)
    paths = Trajectories(torch.from_numpy(noisy), dt=LORENZ63.dt)
    return Forecasting(paths, paths), data["test"]


def _fitted(method: Any, problem: Forecasting, run: Run) -> Any:
    """One model of a trained method; a cohort of one is run as two."""
    return method.fit_forecasters([problem] * 2, [run, Run([*run.entropy, 1])])[0]


def log_product_norms(factors: Tensor) -> Tensor:
    """ln |J_T ... J_1| (spectral) of factors [start, T, M, M], rescaled at every step [start]."""
    product = torch.eye(factors.shape[-1], dtype=factors.dtype).repeat(len(factors), 1, 1)
    total = factors.new_zeros(len(factors))
    for factor in factors.unbind(1):
        product = factor @ product
        size = torch.linalg.matrix_norm(product)
        total += size.log()
        product = product / size[:, None, None]
    return total + torch.linalg.matrix_norm(product, ord=2).log()


def _forced(model: Any, data: Tensor, alpha: float) -> Tensor:
    """Jacobians along z_{t+1} = F((1 - alpha) z_t + alpha x_t) driven by data [start, T, N], without the factor 1 - alpha."""
    state = model.initial_state(Trajectories(data[:, :1]))
    jacobians = []
    for t in range(data.shape[1]):
        mixed = torch.lerp(state, data[:, t], alpha)
        jacobians.append(model.jacobian(mixed))
        state = model.step(mixed)
    return torch.stack(jacobians, dim=1)


@dataclass(frozen=True)
class ForcedProducts:
    """Products of (1 - a) J along forced orbits of a trained network: bounded at a = 1 - 1/s_max, neutral at 1 - exp(-l dt).

    s_max: the largest spectral norm of the Jacobians of the very orbit that is forced with a, found by raising a until
    it no longer grows. The network is trained with the forcing `alpha`.
    """

    hidden: int = 50
    alpha: float = 0.2
    updates: int = 20_000
    train: int = 20_000
    noise: float = 0.0
    steps: int = 1500
    starts: int = 20

    def measure(self, run: Run) -> Scores:
        """Logarithms of norms of products, of s_max, and the neutral forcing against its prediction."""
        problem, test = _lorenz(run, self.train, self.noise)
        model = _fitted(ShallowPLRNN(self.hidden, alpha=self.alpha, updates=self.updates), problem, run)
        places = np.linspace(0, test.shape[1] - self.steps, self.starts).astype(int)
        data = torch.from_numpy(np.stack([test[0, p : p + self.steps] for p in places]))
        alpha, bounded = self._bounded(model, data)
        contexts = Trajectories(data[:, :1])
        exponents = lyapunov_spectrum(model, contexts, 5000, burn_in=1000)
        rate = float(exponents[:, 0].mean())
        free = self._free(model, contexts)
        values = {
            "forcing": alpha,
            "log_bounded_product": float(log_product_norms((1 - alpha) * bounded).max()),
            "log_linear_product": _linear(1.3, 1 - 1 / 1.3, self.steps),
            "log_linear_product_below": _linear(1.3, 0.95 * (1 - 1 / 1.3), self.steps),
            "lyapunov": rate / LORENZ63.dt,
            "log_largest_norm_less_exponent": float(torch.linalg.matrix_norm(free, ord=2).max().log()) - rate,
        }
        for name, a in (("free", 0.0), ("forced", 0.05)):
            norms = log_product_norms((1 - a) * _forced(model, data[:, :1000], a))
            values[f"log_{name}_product"] = float(norms.median())
        for name, first in (("neutral_over_predicted", 0), ("neutral_growth_over_predicted", 500)):
            values[name] = self._neutral(model, data[:, :1000], first) / (1 - np.exp(-rate))
        return Scores(values)

    def _bounded(self, model: Any, data: Tensor) -> tuple[float, Tensor]:
        alpha = 0.0
        while True:
            jacobians = _forced(model, data, alpha)
            needed = 1 - 1 / float(torch.linalg.matrix_norm(jacobians, ord=2).max().clamp(min=1))
            if needed <= alpha:
                return alpha, jacobians
            alpha = needed

    def _free(self, model: Any, contexts: Trajectories) -> Tensor:
        """Jacobians along the free orbits that gave the exponent."""
        state = model.initial_state(contexts)
        states = []
        for _ in range(6000):
            states.append(model.jacobian(state))
            state = model.step(state)
        return torch.stack(states[1000:], dim=1)

    def _neutral(self, model: Any, data: Tensor, first: int) -> float:
        """The forcing at which the median growth of ln |product| from step `first` to the last is zero, by bisection."""
        low, high = 0.0, 0.2
        for _ in range(12):
            middle = (low + high) / 2
            factors = (1 - middle) * _forced(model, data, middle)
            before = log_product_norms(factors[:, :first]) if first else torch.zeros(len(factors))
            grows = (log_product_norms(factors) - before).median() > 0
            low, high = (middle, high) if grows else (low, middle)
        return (low + high) / 2


def _linear(rate: float, alpha: float, steps: int) -> float:
    factors = ((1 - alpha) * rate * torch.eye(1, dtype=torch.float64)).expand(1, steps, 1, 1)
    return float(log_product_norms(factors))


@dataclass(frozen=True)
class ClippedBound:
    """|z_i| <= (sum_k |W1_ik| |h2_k| + |h1_i|) / (1 - |a_i|) in the end, for clipped networks with max |a| < 1.

    Models with a ~ U(+-0.99) and the weights of the start, times `scale`; states of standard deviation 100.
    """

    models: int = 20
    units: int = 3
    hidden: int = 50
    scale: float = 3.0
    states: int = 100
    steps: int = 10_000

    def measure(self, run: Run) -> Scores:
        """The largest ratio of a coordinate to its bound over the last half of all orbits."""
        worst = 0.0
        for _ in range(self.models):
            m, h, rng = self.units, self.hidden, run.numpy
            a = rng.uniform(-0.99, 0.99, m)
            w1, w2 = (self.scale * rng.uniform(-w, w, s) for s, w in (((m, h), h**-0.5), ((h, m), m**-0.5)))
            h1, h2 = self.scale * rng.standard_normal(m), self.scale * rng.uniform(-(h**-0.5), h**-0.5, h)
            bound = (np.abs(w1) @ np.abs(h2) + np.abs(h1)) / (1 - np.abs(a))
            parts = [torch.from_numpy(v) for v in (a, w1, w2, h1, h2)]
            start = torch.zeros(0, m, dtype=torch.float64)
            model = ShallowModel(parts[0], parts[1], parts[2], parts[3], parts[4], start, clipped=True)
            state = torch.from_numpy(100 * rng.standard_normal((self.states, m)))
            for step in range(self.steps):
                state = model.step(state)
                if step >= self.steps // 2:
                    worst = max(worst, float((state.abs() / torch.from_numpy(bound)).max()))
        return Scores({"largest_ratio": worst})


@dataclass(frozen=True)
class FixedPoints:
    """F_D(z) = z at z = (I - a - W D)^{-1} h in every region D of a trained almost-linear network; F(z) = z where z lies in D."""

    units: int = 20
    rectified: int = 2
    window: int = 200
    updates: int = 1000
    train: int = 20_000

    def measure(self, run: Run) -> Scores:
        """Largest residuals relative to 1 + |z|, over all regions and over those that hold their own fixed point."""
        problem, _ = _lorenz(run, self.train)
        method = AlmostLinearRNN(self.units, self.rectified, window=self.window, updates=self.updates)
        model = _fitted(method, problem, run)
        points, bits = model.fixed_points()
        size = 1 + torch.linalg.vector_norm(points, dim=-1)
        piece = (model.pieces(bits) @ points[..., None])[..., 0] + model.h
        real = ((points[:, -bits.shape[1] :] > 0).double() == bits).all(-1)
        inside = torch.linalg.vector_norm(model.step(points) - points, dim=-1) / size
        return Scores(
            {
                "largest_residual": float((torch.linalg.vector_norm(piece - points, dim=-1) / size).max()),
                "largest_real_residual": float(inside[real].max()) if real.any() else 0.0,
                "regions": float(len(points)),
                "real": float(real.sum()),
            }
        )


@dataclass(frozen=True)
class SparseSupport:
    """SINDy on raw Lorenz data: which terms it finds, and how long its forecasts stay valid.

    samples: of one trajectory, dt = 0.01. noise: in standard deviations of each coordinate. centered: subtract the mean.
    """

    samples: int = 4000
    noise: float = 0.0
    centered: bool = False
    windows: int = 50

    def measure(self, run: Run) -> Scores:
        """Terms found, terms that differ from the Lorenz equations, and the median valid time (Lyapunov times)."""
        horizon = round(15 / (LORENZ63.lyapunov[0] * LORENZ63.dt))
        by_part = orbits(LORENZ63, {"a": (1, self.samples), "test": (self.windows, horizon + 1)}, run.numpy)
        x = by_part["a"] + self.noise * by_part["a"].std(axis=1) * run.numpy.standard_normal(by_part["a"].shape)
        shift = x.mean(axis=1) if self.centered else np.zeros((1, 3))
        paths = Trajectories(torch.from_numpy(x - shift), dt=LORENZ63.dt)
        model = SparseIdentification().fit_forecaster(Forecasting(paths, paths), run)
        support = (model.weights != 0).numpy()
        wanted = np.zeros_like(support)
        wanted[[1, 2, 1, 2, 6, 3, 5], [0, 0, 1, 1, 1, 2, 2]] = True
        test = by_part["test"] - shift
        forecast = model.forecast(Trajectories(torch.from_numpy(test[:, :1]), dt=LORENZ63.dt), horizon).numpy()
        power = float(test.var(axis=(0, 1)).sum())
        times = valid_time(test[:, 1:], forecast, power, LORENZ63.dt * LORENZ63.lyapunov[0])
        return Scores(
            {
                "terms": float(support.sum()),
                "wrong_terms": float((support != wanted).sum()),
                "valid_time": float(np.median(times)),
            }
        )


@dataclass(frozen=True)
class IntegratorOfTheData:
    """NGRC with published settings, trained on data of an integrator at default tolerances and on accurate data.

    `solver` makes the training data ("RK23" at SciPy's default tolerances, "DOP853" at 1e-10); both are scored on accurate
    orbits. Raw units, dt = 0.025.
    """

    solver: Literal["RK23", "DOP853"] = "RK23"
    samples: int = 400
    dt: float = 0.025
    windows: int = 20

    def measure(self, run: Run) -> Scores:
        """The median valid time in Lyapunov times."""
        starts = orbits(LORENZ63, {"a": (1 + self.windows, 1)}, run.numpy)["a"][:, 0]
        x = torch.from_numpy(_solved(starts[0], self.samples, self.dt, self.solver))[None]
        paths = Trajectories(x, dt=self.dt)
        method = NextGenerationReservoir(taps=2, degree=2, penalty=2.5e-6)
        model = method.fit_forecaster(Forecasting(paths, paths, context=2), run)
        horizon = round(15 / (LORENZ63.lyapunov[0] * self.dt))
        test = np.stack([_solved(s, horizon + 2, self.dt, "DOP853") for s in starts[1:]])
        forecast = model.forecast(Trajectories(torch.from_numpy(test[:, :2]), dt=self.dt), horizon).numpy()
        times = valid_time(test[:, 2:], forecast, float(test.var(axis=(0, 1)).sum()), self.dt * LORENZ63.lyapunov[0])
        return Scores({"valid_time": float(np.median(times))})


def _solved(start: ndarray, count: int, dt: float, solver: Literal["RK23", "DOP853"]) -> ndarray:
    """`count` samples [count, dim] of the Lorenz system by SciPy, the start among them."""

    def field(_: float, v: ndarray) -> list[float]:
        x, y, z = v
        return [10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z]

    times = np.arange(count) * dt
    rtol, atol = _TOLERANCES[solver]
    solved = solve_ivp(field, (0, times[-1]), start, solver, t_eval=times, rtol=rtol, atol=atol)
    return np.ascontiguousarray(solved.y.T)
