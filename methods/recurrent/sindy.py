"""Sparse identification of nonlinear dynamics (SINDy)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Count, Penalty, Range, SearchSpace, Units
from dynamark.methods.koopman.dictionaries import refuse_large
from dynamark.methods.recurrent.compiled_maps import polynomial_flow
from dynamark.methods.recurrent.forecaster import StateForecaster, autonomous
from dynamark.tasks.numerics.integrators import rk4_jacobian
from dynamark.tasks.numerics.maps import CompiledMap
from dynamark.tasks.numerics.polynomials import monomial_jacobian, monomials
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["SparseIdentification", "SparseModel", "thresholded"]


@dataclass(frozen=True)
class SparseIdentification:
    """x' = W' p(x), p all monomials up to `degree`, W sparse by sequentially thresholded least squares.

    Derivatives are estimated by fourth-order central differences inside the trajectories. Forecasts use the classical
    Runge-Kutta method with `substeps` steps per sample.
    threshold: coefficients with a smaller absolute value are set to zero and the others refitted, at most `iterations` times.
    Raises UserError if the trajectories have fewer than five samples.
    Data is not standardized, because centering reduces sparsity: the Lorenz system has seven terms, and twelve if centered.
    Source: Brunton, Proctor & Kutz, PNAS 113, 3932 (2016), equations 2 to 7 and the supporting algorithm.
    key: brunton2016
    """

    degree: Annotated[int, Range(1, 20)] = 2
    threshold: Penalty = 0.1
    iterations: Count = 10
    substeps: Annotated[int, Range(1, 1000)] = 2
    data_units: ClassVar[Units] = "raw"  # the equations are sparse in raw units only
    search_space: ClassVar[SearchSpace] = {"threshold": (0.1, 0.01, 0.03, 0.3), "degree": (2, 3)}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> SparseModel:
        """Fit W by thresholded least squares over all samples with two neighbors on each side."""
        train = autonomous(problem).train
        x = train.observations.double()
        if x.shape[1] < 5:
            raise UserError(
                f"trajectories of {x.shape[1]} samples are too short for fourth-order differences, which need five samples"
            )
        refuse_large("monomials", self.degree, x.shape[-1])
        slope = (x[:, :-4] - 8 * x[:, 1:-3] + 8 * x[:, 3:-1] - x[:, 4:]) / (12 * train.dt)
        features = monomials(x[:, 2:-2].flatten(0, 1), self.degree)
        weights = thresholded(features, slope.flatten(0, 1), self.threshold, self.iterations)
        run.fact("terms", int((weights != 0).sum()))
        return SparseModel(weights, self.degree, train.dt, self.substeps)


def thresholded(
    features: Float[Tensor, "sample feature"],
    targets: Float[Tensor, "sample target"],
    threshold: float,
    iterations: int,
) -> Float[Tensor, "feature target"]:
    """Least squares on the features with coefficients of at least `threshold` in size, repeated until this set is stable."""
    weights = torch.linalg.lstsq(features, targets, driver="gelsd").solution
    for _ in range(iterations):
        active = weights.abs() >= threshold
        fresh = torch.zeros_like(weights)
        for column, support in enumerate(active.unbind(1)):
            if support.any():
                part = torch.linalg.lstsq(features[:, support], targets[:, column : column + 1], driver="gelsd")
                fresh[support, column] = part.solution[:, 0]
        if torch.equal(fresh != 0, weights != 0):
            return fresh
        weights = fresh
    return weights


@dataclass(frozen=True)
class SparseModel(StateForecaster):
    """The fitted vector field; its state is the last observation."""

    weights: Float[Tensor, "feature dim"]
    degree: int
    dt: float
    substeps: int

    def initial_state(self, context: Trajectories) -> Float[Tensor, "trajectory state"]:
        """The last observation."""
        return context.observations[:, -1].double()

    def observe(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory dim"]:
        """The observation, which is the state."""
        return state

    def as_map(self) -> CompiledMap:
        """Compiled kernels of the polynomial field and its Runge-Kutta steps."""
        return polynomial_flow(self.weights, self.degree, self.dt / self.substeps, self.substeps)

    def field(self, x: Tensor) -> Tensor:
        """The vector field W' p(x)."""
        return monomials(x, self.degree) @ self.weights

    def derivative(self, x: Tensor) -> Tensor:
        """The Jacobian of the vector field [..., dim, dim]."""
        return self.weights.T @ monomial_jacobian(x, self.degree)

    def step(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state"]:
        """Integrate over one sample by the Runge-Kutta method."""
        h = self.dt / self.substeps
        for _ in range(self.substeps):
            k1 = self.field(state)
            k2 = self.field(state + (h / 2) * k1)
            k3 = self.field(state + (h / 2) * k2)
            k4 = self.field(state + h * k3)
            state = state + (h / 6) * (k1 + 2 * k2 + 2 * k3 + k4)
        return state

    def jacobian(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state state"]:
        """The Jacobian of `step`."""
        return rk4_jacobian(self.field, self.derivative, state, self.dt / self.substeps, self.substeps)[1]

    def parameter_count(self) -> int:
        """The number of non-zero coefficients."""
        return int((self.weights != 0).sum())
