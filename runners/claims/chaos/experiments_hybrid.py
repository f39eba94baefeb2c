"""Hybrid automata learned without a segmentation: an automaton with hysteresis and a bouncing ball."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from dynamark.methods.koopman.network_forecasters import MLPForecaster
from dynamark.methods.recurrent.hybrid import HybridAutomaton
from dynamark.methods.recurrent.ngrc import NextGenerationReservoir
from dynamark.tasks.base import Scores
from dynamark.tasks.chaos.hybrid import BouncingBall, HybridTask, SwitchedAutomaton
from dynamark.tasks.koopman import metrics
from dynamark.tasks.problems import Forecaster, Run

__all__ = ["BallEvents", "HysteresisModes", "matched_share"]

_HORIZON = 50


def matched_share(modes: ndarray, truth: ndarray) -> float:
    """The share of equal modes after the best matching of their numbers."""
    count = int(max(modes.max(), truth.max())) + 1
    table = np.zeros((count, count))
    np.add.at(table, (modes.ravel().astype(int), truth.ravel().astype(int)), 1)
    return float(table[linear_sum_assignment(-table)].sum() / table.sum())


def _nearest(
    train: Float[ndarray, "trajectory time dim"], x: Float[ndarray, "start dim"], count: int
) -> Float[ndarray, "start step dim"]:
    """x+ = the mean of the successors of the `count` nearest training states."""
    tree, following = cKDTree(train[:, :-1].reshape(-1, train.shape[2])), train[:, 1:].reshape(-1, train.shape[2])
    states = []
    for _ in range(_HORIZON):
        x = following[np.asarray(tree.query(x, range(1, count + 1))[1])].mean(axis=1)
        states.append(x)
    return np.stack(states, axis=1)


def _errors(task: HybridTask, truth: ndarray, forecasts: Mapping[str, ndarray], seed: int) -> dict[str, float]:
    """The nrmse of each forecast at the last step of the horizon."""
    train = task.data(seed)["train"].reshape(-1, truth.shape[2])
    mean, sd = train.mean(axis=0), train.std(axis=0)
    return {
        name: float(metrics.nrmse(metrics.deviation(truth, x[:, :_HORIZON], mean, sd).error)[-1])
        for name, x in forecasts.items()
    }


def _network(steps: int) -> MLPForecaster:
    return MLPForecaster(hidden=(64, 64), window=5, steps=steps)


@dataclass(frozen=True)
class HysteresisModes:
    """Learn the automaton of `chaos/automaton` from 100 trajectories, and continue 200 others for 50 steps.

    Errors are against the continuation without noise from the true state and mode: the noise of a path moves its next switch, and
    against noisy paths the true system itself errs by more than half of what any method does.
    noise, guard: of the task. memory: of the method. mlp_steps: training steps of the network.
    Scores: `mode_accuracy`, of the modes that the guards tell along held-out trajectories; `guard_error`, the larger distance of
    the two thresholds from the true ones, 1 if a guard looks at another coordinate; `nrmse` after 50 steps; `neighbors_nrmse` of
    the mean of the 5 nearest successors, `neighbor_nrmse` of the nearest, `mlp_nrmse`, `polynomial_nrmse` (degree 3),
    `autoregression_nrmse` of one affine map of two observations, `forgetful_nrmse` of the automaton whose guards do not see the
    mode; `ratio`, of `nrmse` to the best that sees one state; `neighbors_ratio`, to `neighbors_nrmse`; `noisy_nrmse` and
    `noisy_ratio`, against the noisy paths; `true_nrmse`, of the true system without noise against these.
    Source: Liu et al. 2025, section 3; the task is ours.
    """

    noise: float = 0.02
    guard: float = 1.0
    memory: bool = True
    mlp_steps: int = 500

    def measure(self, run: Run) -> Scores:
        """One draw of trajectories."""
        task, seed = SwitchedAutomaton(noise=self.noise, guard=self.guard, test=200), int(run.numpy.integers(2**31))
        problem, data = task.problem(seed), task.data(seed)
        assert problem.query is not None
        context = problem.query.rollouts["test"].context
        last = data["test"][:, task.context - 1]
        mode = data["test_modes"][:, task.context - 2].astype(int)
        silent = SwitchedAutomaton(noise=0.0, guard=self.guard)
        truth = silent.paths(last, mode, _HORIZON, run.numpy)[0][:, 1:]
        noisy = data["test"][:, task.context :][:, :_HORIZON]

        model = HybridAutomaton(memory=self.memory).fit_forecaster(problem, run)
        rivals: dict[str, Forecaster] = {
            "mlp": _network(self.mlp_steps).fit_forecasters([problem], [run])[0],
            "polynomial": NextGenerationReservoir(taps=1).fit_forecaster(problem, run),
            "forgetful": HybridAutomaton(memory=False).fit_forecaster(problem, run),
            "autoregression": HybridAutomaton(modes=1, taps=2).fit_forecaster(problem, run),
        }
        forecasts = {
            "own": model.forecast(context, _HORIZON).numpy(),
            "neighbors": _nearest(data["train"], last, 5),
            "neighbor": _nearest(data["train"], last, 1),
            **{name: rival.forecast(context, _HORIZON).numpy() for name, rival in rivals.items()},
        }
        errors, heard = (_errors(task, x, forecasts, seed) for x in (truth, noisy))
        modes = model.follow(data["test"][:, :-1], model.start(data["test"][:, :2]))
        first = data["test_modes"][:, : modes.shape[1]]
        memoryless = ("neighbors", "neighbor", "mlp", "polynomial")
        return Scores(
            {
                "mode_accuracy": matched_share(modes[:, 1:], first[:, 1:]),
                "guard_error": self._guard_error(model.guards.coordinate, model.guards.threshold),
                "nrmse": errors["own"],
                "ratio": errors["own"] / min(errors[name] for name in memoryless),
                "neighbors_ratio": errors["own"] / errors["neighbors"],
                "noisy_nrmse": heard["own"],
                "noisy_ratio": heard["own"] / min(heard[name] for name in memoryless),
                "true_nrmse": _errors(task, noisy, {"true": truth}, seed)["true"],
                **{f"{name}_nrmse": error for name, error in errors.items() if name != "own"},
            }
        )

    def _guard_error(self, coordinate: ndarray, threshold: ndarray) -> float:
        """The two guards of a two-mode automaton, whose modes come in either order."""
        if len(coordinate) < 2 or (coordinate[:, 0, 1] != 0).any():
            return 1.0
        return float(np.abs(np.sort(threshold[:, 0, 1]) - [-self.guard, self.guard]).max())


@dataclass(frozen=True)
class BallEvents:
    """Learn the bouncing ball from 100 trajectories of height and speed, and continue 200 others for 50 steps.

    modes: of the method. mlp_steps: training steps of the network that is its rival.
    Scores: `event_error`, median over trajectories of |predicted - true| step of the first impact, in samples, a step being an
    impact if its mode is not the most frequent one; 50 where none is predicted. `nrmse` after 50 steps, `mlp_nrmse`, and `ratio`,
    the latter over the former; `impacts`, of a true trajectory; `flight_gap`, largest entry of the difference between the map of
    the most frequent mode and the exact flight; `affine_nrmse`, of one affine map.
    Source: Liu et al. 2025, section 3; the task is ours.
    """

    modes: int = 2
    mlp_steps: int = 500

    def measure(self, run: Run) -> Scores:
        """One draw of trajectories."""
        task, seed = BouncingBall(test=200), int(run.numpy.integers(2**31))
        problem, data = task.problem(seed), task.data(seed)
        assert problem.query is not None
        context = problem.query.rollouts["test"].context
        truth = data["test"][:, task.context :][:, :_HORIZON]
        model = HybridAutomaton(modes=self.modes).fit_forecaster(problem, run)
        path, modes = model.run(context.observations.numpy(), _HORIZON)
        rivals: dict[str, Forecaster] = {
            "mlp": _network(self.mlp_steps).fit_forecasters([problem], [run])[0],
            "affine": HybridAutomaton(modes=1).fit_forecaster(problem, run),
        }
        forecasts = {"own": path} | {n: rival.forecast(context, _HORIZON).numpy() for n, rival in rivals.items()}
        errors = _errors(task, truth, forecasts, seed)
        true_modes = data["test_modes"][:, task.context - 1 :][:, :_HORIZON]
        h, g = task.dt, task.gravity
        flight = np.array([[1.0, 0.0], [h, 1.0], [-g / 2 * h * h, -g * h]])
        return Scores(
            {
                "event_error": float(np.median(np.abs(_first(modes > 0) - _first(true_modes > 0)))),
                "nrmse": errors["own"],
                "mlp_nrmse": errors["mlp"],
                "affine_nrmse": errors["affine"],
                "ratio": errors["mlp"] / errors["own"],
                "impacts": float(data["test_modes"].sum(axis=1).mean()),
                "flight_gap": float(np.abs(model.maps[0] - flight).max()),
            }
        )


def _first(event: ndarray) -> ndarray:
    """The first step of each trajectory at which it happens; the number of steps if it does not."""
    return np.where(event.any(axis=1), event.argmax(axis=1), event.shape[1])
