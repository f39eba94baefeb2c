"""Low-rank matrix recovery from linear measurements: Gaussian sensing of symmetric and rectangular matrices."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy import ndarray

from dynamark.errors import UserError
from dynamark.tasks.base import Curve, Metric, Scores, Solution, Task
from dynamark.tasks.numerics.operators import DenseOperator, HadamardOperator, SampledOperator
from dynamark.tasks.problems import Recovery
from dynamark.tasks.sensing import metrics, oracles
from dynamark.tasks.sensing.convergence import KINDS, convergence_rate, reach
from dynamark.tasks.sensing.metrics import WORST, Pair
from dynamark.tasks.sensing.tangent import tangent_cgls
from dynamark.tasks.sensing.truth import degrees_of_freedom, low_rank, measurements, spectrum

__all__ = ["AsymmetricSensing", "GaussianSensing", "LowRankRecovery", "PositiveSensing"]

_LEVELS = (2, 3, 4, 6, 8, 10)
# Singular values below this fraction of the largest are not counted in the effective rank.
_SMALL = 0.05
# Entries of a design matrix (128 MB) from which on it is not decomposed: 400 x 400 entries of rank 5 took a minute and 6 GB.
_LARGE = 2**24


@dataclass(frozen=True, kw_only=True)
class LowRankRecovery(Task):
    """y = A(X*) + sigma e/sqrt(m), e ~ N(0, I): recover X* of rank r with singular values from 1 to 1/condition.

    fit_rank: the rank given to the method, as an upper bound; 0 gives the true rank.
    share: number of consecutive seeds that share one operator; their ground truths, noise and initializations differ.
    passes: the budget in operator passes, where one pass is one application of A or of A*.
    Primary score: |X - X*|_F / |X*|_F, limited by double precision.
    """

    rows: int = 50
    columns: int = 50
    rank: int = 3
    condition: float = 3.0
    spacing: Literal["linear", "geometric"] = "linear"
    fit_rank: int = 0
    noise: float = 0.0
    share: int = 1
    passes: int = 4000

    kind: ClassVar[type] = Recovery
    version: ClassVar[int] = 2
    symmetric: ClassVar[bool] = False
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("rel", about="relative error in the Frobenius norm"),
        Metric("relr", about="relative error in the Frobenius norm of the estimate truncated to the true rank"),
        Metric("loss", about="relative residual |A(X) - y|/|y|"),
        Metric("spectral", about="relative error in the spectral norm"),
        *(Metric(f"steps_{k}", "step", about=f"steps until rel <= 1e-{k}; missing if not reached") for k in _LEVELS),
        *(
            Metric(f"passes_{k}", "pass", about=f"operator passes until rel <= 1e-{k}; missing if not reached")
            for k in _LEVELS
        ),
        Metric("rate", "1/step", lower_is_better=False, about="linear convergence rate -d log rel / d step"),
        Metric("rate_r2", lower_is_better=False, about="R^2 of the linear fit of log rel that gives `rate`"),
        Metric(
            "power",
            lower_is_better=False,
            about="power-law exponent -d log rel^2 / d log step over the last 95 % of the steps",
        ),
        Metric(
            "risk", about="squared error / expected squared error of the tangent-space oracle (noisy Gaussian tasks)"
        ),
        Metric("best_risk", about="smallest `risk` over all snapshots: early stopping by an oracle"),
    )

    def __post_init__(self) -> None:
        if self.symmetric and self.rows != self.columns:
            raise UserError(f"{type(self).__name__}: a symmetric matrix needs rows == columns")
        if not 1 <= self.rank <= min(self.rows, self.columns):
            raise UserError(
                f"{type(self).__name__}: rank {self.rank} is not between 1 and {min(self.rows, self.columns)}"
            )
        if self.share < 1:
            raise UserError(
                f"{type(self).__name__}: share = {self.share}; give the number of seeds per operator, 1 or more"
            )

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the ground truth, the dimension of the set of rank-r matrices."""
        return degrees_of_freedom(self.rows, self.columns, self.rank, self.symmetric)

    @property
    def floor(self) -> float:
        """Rounding error of double precision: smaller errors are ranked as equal."""
        return 1e-15

    @property
    def budget(self) -> int:
        """The budget in operator passes (applications of A or A*)."""
        return self.passes

    @abstractmethod
    def operator(self, seed: int) -> DenseOperator | HadamardOperator | SampledOperator:
        """The measurement operator of this seed; seeds that share an operator get the identical object."""

    @abstractmethod
    def operator_arrays(self, seed: int) -> dict[str, ndarray]:
        """The arrays that define the operator, by name."""

    def spectrum(self) -> ndarray:
        """The singular values of the ground truth, descending."""
        return spectrum(self.rank, self.condition, self.spacing)

    def generate(self, seed: int) -> dict[str, ndarray]:
        """The ground truth in factors, the arrays of the operator, and the measurements y."""
        truth = low_rank(self.rng(seed, "data", 0), self.rows, self.columns, self.spectrum(), self.symmetric)
        y = measurements(self.operator(seed), truth)
        y = y + self.noise / np.sqrt(len(y)) * self.rng(seed, "data", 1).standard_normal(len(y))
        return {**truth, "y": y, **self.operator_arrays(seed)}

    def problem(self, seed: int) -> Recovery:
        """The operator, the measurements, the rank (or its upper bound), and the noise level if there is noise."""
        return Recovery(
            self.operator(seed),
            torch.from_numpy(np.array(self.data(seed)["y"])),
            self.symmetric,
            self.fit_rank or self.rank,
            rank_is_exact=self.fit_rank in (0, self.rank),
            noise=self.noise or None,
            shared=self.share > 1,
        )

    def truth(self, seed: int) -> Pair:
        """The ground truth X* = L R^T as a pair of factors (L, R)."""
        data = self.data(seed)
        return data["left"] * data["values"], data["right"]

    def score(self, solution: Solution, seed: int) -> Scores:
        """Errors of the final estimate; steps to reach each level and convergence rates from the snapshots."""
        truth, estimate = self.truth(seed), metrics.estimate(solution)
        values = {
            "rel": float(metrics.relative_error(estimate, truth)),
            "relr": float(metrics.relative_error(metrics.truncate(estimate, self.rank), truth)),
            "loss": self._residual(estimate, seed),
            "spectral": metrics.spectral_error(estimate, truth),
        }
        expected = self.expected_error()
        if expected is not None:
            values["risk"] = (values["rel"] / expected) ** 2
        curves = self._spectra(estimate, truth) if seed == 0 else []
        steps, iterates = metrics.snapshots(solution)
        if iterates is None:
            return Scores(values, tuple(curves))
        error = metrics.relative_error(iterates, truth)
        if expected is not None:
            values["best_risk"] = float(error.min() / expected) ** 2
        convergence = convergence_rate(steps, error)
        # The kind of convergence (0 floor, 1 linear, 2 power, 3 stalled, 4 mixed); whether the run ended before it converged.
        facts = {"kind": float(KINDS.index(convergence.kind)), "unfinished": float(convergence.unfinished)}
        for name in ("rate", "rate_r2", "power"):
            if (value := getattr(convergence, name)) is not None:
                values[name] = value
        axes = {"steps": steps}
        if "passes" in solution:
            axes["passes"] = solution["passes"]
        for axis, places in axes.items():
            reached = {f"{axis}_{k}": reach(places, error, 10.0**-k) for k in _LEVELS}
            values |= {name: at for name, at in reached.items() if at is not None}
        curves += [Curve(f"error_by_{axis}", at, error) for axis, at in axes.items()]
        return Scores(values, (*curves, *self.ranks(steps, metrics.singular_values(iterates))), facts)

    @staticmethod
    def _spectra(estimate: Pair, truth: Pair) -> list[Curve]:
        """Curves of the singular values of the estimate and of the ground truth, for plots."""
        curves = []
        for name, pair in (("singular_values", estimate), ("singular_values_true", truth)):
            values = metrics.singular_values(pair)
            curves.append(Curve(name, np.arange(1.0, len(values) + 1), values))
        return curves

    def ranks(self, steps: ndarray, values: ndarray) -> tuple[Curve, ...]:
        """The effective rank by step: how many of the singular `values` [snapshot, k] exceed 5 % of the largest."""
        counts = np.sum(values > _SMALL * values[:, :1], axis=1).astype(float)
        return (Curve("effective_rank_by_steps", steps, counts),)

    def expected_error(self) -> float | None:
        """Root-mean-square relative error of least squares on the true tangent space; None where no formula is known."""
        return None

    def _residual(self, estimate: Pair, seed: int) -> float:
        y = torch.from_numpy(np.array(self.data(seed)["y"]))
        with np.errstate(over="ignore", invalid="ignore"):
            fitted = self.operator(seed).product(*(torch.from_numpy(np.array(part)) for part in estimate))
        loss = float((fitted - y).norm() / y.norm())
        return min(loss, WORST) if np.isfinite(loss) else WORST

    def baseline(self, seed: int) -> float:
        """The relative error of the zero matrix, 1."""
        left, right = self.truth(seed)
        return float(metrics.relative_error((0 * left, right), (left, right)))

    def oracle(self, seed: int) -> float:
        """The error of least squares on the true tangent space; if `fit_rank` < `rank`, of the rank-`fit_rank` minimizer."""
        data = self.data(seed)
        y = torch.from_numpy(np.array(data["y"]))
        if 0 < self.fit_rank < self.rank:
            best = oracles.loss_minimizer(self.operator(seed), y, self.truth(seed), self.fit_rank, self.symmetric)
        elif self.noise == 0:
            return 0.0
        elif not self.symmetric and len(y) * self.rank * (self.rows + self.columns) > _LARGE:
            best = tangent_cgls(self.operator(seed), y, data["left"], data["right"])
        else:
            best = oracles.tangent_least_squares(self.operator(seed), y, data["left"], data["right"], self.symmetric)
        return float(metrics.relative_error(best, self.truth(seed)))


@functools.lru_cache(maxsize=8)
def _gaussian(task: GaussianSensing, group: int) -> DenseOperator:
    """A dense operator with rows N(0, I/m); for symmetric X, rows in half-vectorized form (symmetrized Gaussian ensemble)."""
    n = task.rows
    entries = n * (n + 1) // 2 if task.symmetric else n * task.columns
    rows = task.rng(group, "operator").standard_normal((task.measurements, entries))
    rows /= np.sqrt(task.measurements)
    return DenseOperator(torch.from_numpy(rows), (n, task.columns), task.symmetric)


@dataclass(frozen=True, kw_only=True)
class GaussianSensing(LowRankRecovery):
    """A(X)_i = <A_i, X>/sqrt(m) with entries of A_i N(0, 1), so that E A*A = I."""

    measurements: int = 1500

    def operator(self, seed: int) -> DenseOperator:
        """The dense Gaussian operator of this seed."""
        return _gaussian(self, seed // self.share)

    def operator_arrays(self, seed: int) -> dict[str, ndarray]:
        """The measurement matrices A_i, one flattened matrix per row."""
        return {"rows": self.operator(seed).rows.numpy()}

    def expected_error(self) -> float | None:
        """Root-mean-square relative error of the oracle, from the mean of an inverse Wishart matrix.

        See `oracles.expected_tangent_error`. None without noise, or with too few measurements for a finite mean.
        """
        if self.noise == 0 or self.measurements <= self.freedom + 1:
            return None
        squared = oracles.expected_tangent_error(self.noise, self.freedom, self.measurements)
        return float(np.sqrt(squared) / np.linalg.norm(self.spectrum()))


@dataclass(frozen=True, kw_only=True)
class PositiveSensing(GaussianSensing):
    """MS-PSD: X* = U diag(s) U^T, symmetric A_i.

    At the tiny tier m exceeds the dimension n (n + 1)/2 = 210, so A is injective: this tier tests optimization dynamics,
    not sample complexity.
    """

    symmetric: ClassVar[bool] = True
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"rows": 20, "columns": 20, "rank": 2, "measurements": 400, "passes": 2000},
        "standard": {},
    }


@dataclass(frozen=True, kw_only=True)
class AsymmetricSensing(GaussianSensing):
    """MS-ASYM: X* = U diag(s) V^T with independent orthonormal frames U and V.

    At the tiny tier A is injective (m = 800 > 400).
    """

    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"rows": 20, "columns": 20, "rank": 2, "measurements": 800, "passes": 2000},
        "standard": {"rows": 60, "columns": 50, "measurements": 2000},
    }
