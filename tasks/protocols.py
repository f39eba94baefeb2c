"""Protocols that a method implements, one per kind of problem.

A method implements the protocols of the kinds that it can solve, one problem at a time. If seeds can be batched, it may
implement the plural in addition or instead (`fit_forecasters(problems, runs) -> models`).
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from dynamark.tasks.problems import (
    Estimate,
    Forecaster,
    Forecasting,
    Learner,
    Network,
    Online,
    Prediction,
    Predictor,
    Recovery,
    Run,
    Training,
)

__all__ = ["FitsEstimate", "FitsForecaster", "FitsLearner", "FitsNetwork", "FitsPredictor"]


@runtime_checkable
class FitsEstimate(Protocol):
    """Recovers a matrix from linear measurements."""

    def fit_estimate(self, problem: Recovery, run: Run) -> Estimate:
        """The estimate of the matrix."""
        ...


@runtime_checkable
class FitsPredictor(Protocol):
    """Predicts outputs from earlier outputs and from inputs."""

    def fit_predictor(self, problem: Prediction, run: Run) -> Predictor:
        """A model that predicts held-out sequences."""
        ...


@runtime_checkable
class FitsLearner(Protocol):
    """Learns online: predicts each output before it is revealed."""

    def fit_learner(self, problem: Online, run: Run) -> Learner:
        """A learner in its initial state."""
        ...


@runtime_checkable
class FitsForecaster(Protocol):
    """Forecasts trajectories from a context."""

    def fit_forecaster(self, problem: Forecasting, run: Run) -> Forecaster:
        """A model that continues held-out contexts."""
        ...


@runtime_checkable
class FitsNetwork(Protocol):
    """Trains a network with factored weights."""

    def fit_network(self, problem: Training, run: Run) -> Network:
        """The trained network."""
        ...
