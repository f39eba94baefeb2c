"""Systems with inputs: lifts that are linear or bilinear in the input, exact identification, what inputs are worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from dynamark.methods.koopman.dmd import DMD
from dynamark.methods.koopman.driven import DMDc
from dynamark.methods.koopman.interactive import DrivenMLP, InteractiveDynamics
from dynamark.tasks.base import Scores
from dynamark.tasks.koopman.actuated import ActuatedKS, ConvectionDiffusionReaction, actuators
from dynamark.tasks.koopman.controlled import ControlledPendulum
from dynamark.tasks.koopman.driven import DrivenTask
from dynamark.tasks.problems import Forecaster, Forecasting, Run

__all__ = ["ActuatedWaves", "ExactIdentification", "InputLifting", "InteractiveHorizons", "trigonometric"]


def trigonometric(x: Float[ndarray, "point 2"], order: int) -> Float[ndarray, "point feature"]:
    """1, theta, v, and sin(k theta) v^j and cos(k theta) v^j for 1 <= k <= order and 0 <= j <= order; x = (theta, v)."""
    theta, v = x.T
    columns = [np.ones_like(theta), theta, v]
    for k in range(1, order + 1):
        for j in range(order + 1):
            columns += [np.sin(k * theta) * v**j, np.cos(k * theta) * v**j]
    return np.stack(columns, axis=1)


@dataclass(frozen=True)
class InputLifting:
    """psi(x_t) ~ [psi(x), u] W against [psi(x), u psi(x)] W on the pendulum theta'' = -sin theta - 0.1 theta' + u cos theta.

    psi: `trigonometric` features of order q. States uniform in [-2, 2] x [-1.5, 1.5], u uniform in [-1, 1], 0.1 apart.
    products = False: the second model has the regressors of the first.
    Scores, root mean squared errors of the state on held-out pairs: `linear` and `bilinear`, one step; `permuted`, one step of
    the bilinear model fitted to inputs in another order; `linear_30` and `bilinear_30`, after 30 steps without lifting again.
    Ratios: `gain`, bilinear over linear; `permuted_gain`, permuted over linear; `gain_30`.
    Source: Bruder, Fu and Vasudevan 2021, theorem 1 (control-affine systems have bilinear, not linear, realizations).
    """

    order: int = 1
    pairs: int = 5000
    products: bool = True

    def measure(self, run: Run) -> Scores:
        """One draw of states and inputs."""
        task, rng = ControlledPendulum(), run.numpy
        x, u = rng.uniform((-2, -1.5), (2, 1.5), (self.pairs, 2)), rng.uniform(-1, 1, (self.pairs, 30))
        train, test = slice(self.pairs // 2), slice(self.pairs // 2, None)
        path = task.paths(x, np.concatenate([np.zeros((self.pairs, 1)), u], axis=1)[..., None])
        psi, after = (trigonometric(states, self.order) for states in (path[train, 0], path[train, 1]))
        errors = {}
        inputs = {
            "linear": u[train, 0],
            "bilinear": u[train, 0],
            "permuted": rng.permutation(u[train, 0]),
        }
        for name, values in inputs.items():
            products = self.products and name != "linear"
            weights = np.linalg.lstsq(_with_inputs(psi, values, products), after, rcond=1e-12)[0]
            state = trigonometric(path[test, 0], self.order)
            for step in range(30):
                state = _with_inputs(state, u[test, step], products) @ weights
                if step in (0, 29):
                    gap = np.sqrt(np.square(state[:, 1:3] - path[test, step + 1]).mean())
                    errors[name if step == 0 else f"{name}_30"] = float(gap)
        return Scores(
            errors
            | {
                "gain": errors["bilinear"] / errors["linear"],
                "permuted_gain": errors["permuted"] / errors["linear"],
                "gain_30": errors["bilinear_30"] / errors["linear_30"],
            }
        )


def _with_inputs(psi: ndarray, u: ndarray, products: bool) -> ndarray:
    """[psi, u psi], or [psi, u]."""
    return np.concatenate([psi, u[:, None] * psi if products else u[:, None]], axis=1)


def _forecast(model: Forecaster, problem: Forecasting, zeroed: bool = False) -> ndarray:
    """The forecast of the query, with its inputs or with zeros instead."""
    assert problem.query is not None
    rollout = problem.query.rollouts["test"]
    inputs = rollout.inputs
    if zeroed and inputs is not None:
        inputs = torch.zeros_like(inputs)
    with torch.no_grad():
        return np.asarray(model.forecast(rollout.context, rollout.horizon, inputs).numpy())


@dataclass(frozen=True)
class InteractiveHorizons:
    """Diagonal latent dynamics, DMD with control and a residual network on the controlled pendulum, at the same training steps.

    Scores: `diagonal`, `linear` and `network`, nrmse 100 steps ahead with the true inputs; `zeroed`, that of the diagonal model
    asked with inputs 0; ratios `over_linear`, `over_network`, and `zeroed_ratio`, zeroed over diagonal; `diagonal_10`,
    `linear_10`, `network_10` ten steps ahead.
    Source: Mondal et al., Efficient dynamics modeling in interactive environments with Koopman theory, 2024, section 4.1.
    """

    steps: int = 800
    train: int = 50

    def measure(self, run: Run) -> Scores:
        """One training set of 50 trajectories of 100 steps."""
        seed = int(run.numpy.integers(2**31))
        task = ControlledPendulum.at("tiny", name="koopman/controlled_pendulum", train=self.train)
        assert isinstance(task, DrivenTask)
        problem = task.problem(seed)
        (diagonal,) = InteractiveDynamics(steps=self.steps).fit_forecasters([problem], [run])
        (network,) = DrivenMLP(steps=self.steps).fit_forecasters([problem], [run])
        linear = DMDc().fit_forecaster(problem, run)
        models: dict[str, Forecaster] = {"diagonal": diagonal, "network": network, "linear": linear}
        values: dict[str, float] = {}
        for name, model in models.items():
            scores = task.score({"forecast.test": _forecast(model, problem)}, seed).values
            values |= {name: scores["nrmse_100"], f"{name}_10": scores["nrmse_10"]}
        zeroed = task.score({"forecast.test": _forecast(diagonal, problem, zeroed=True)}, seed).values["nrmse_100"]
        return Scores(
            values
            | {
                "zeroed": zeroed,
                "over_linear": values["diagonal"] / values["linear"],
                "over_network": values["diagonal"] / values["network"],
                "zeroed_ratio": zeroed / values["diagonal"],
            }
        )


@dataclass(frozen=True)
class ExactIdentification:
    """DMD with control on the exactly linear convection-diffusion-reaction task: x_t = A x_{t-1} + B u_t, 200 states, 8 inputs.

    rank: of DMD with control; 0 is the least-squares solution without singular values below 1e-10 of the largest.
    Scores: `one_step` and `far`, nrmse 1 and 100 steps ahead; `actuators`, the largest |B^ - B|; `without_inputs`, the root mean
    squared one-step error of DMD, which does not see the inputs, over that of the states.
    Source: Zhang et al., Controlgym, 2024 (the system); Proctor et al. 2016 (the method).
    """

    rank: int = 0

    def measure(self, run: Run) -> Scores:
        """One draw of 20 trajectories of 50 steps."""
        seed = int(run.numpy.integers(2**31))
        task = ConvectionDiffusionReaction(name="koopman/cdr")
        problem = task.problem(seed)
        model = DMDc(rank=self.rank).fit_forecaster(problem, run)
        values = task.score({"forecast.test": _forecast(model, problem)}, seed).values
        difference = model.weights[task.points :].numpy().T - actuators(task.points, task.channels)
        states = task.data(seed)["test"]
        blind = _forecast(DMD().fit_forecaster(problem, run), problem)[:, 0] - states[:, 1]
        return Scores(
            {
                "one_step": values["nrmse_1"],
                "far": values["nrmse_100"],
                "actuators": float(np.abs(difference).max()),
                "without_inputs": float(np.sqrt(np.square(blind).mean() / np.square(states[:, 1]).mean())),
            }
        )


class _Dropped(ActuatedKS):
    """The environment that loses the term of its actuators."""

    def advance(self, x: ndarray, u: ndarray) -> ndarray:
        return super().advance(x, np.zeros_like(u))


@dataclass(frozen=True)
class ActuatedWaves:
    """Kuramoto-Sivashinsky waves with eight actuators: orbits with and without inputs, linear models with and without them.

    dropped: the equation ignores the actuators. size: of the task, `standard` or `tiny`.
    Scores: `apart`, root mean square distance of two orbits after 10 units of time, one with and one without inputs, over the
    standard deviation of the training data; `with_inputs` and `without_inputs`, nrmse 5 samples ahead of DMD with control and of
    DMD; `ratio`, of the former to the latter; `moved_mean`, the largest |spatial mean| after 10 units of time.
    Source: Zhang et al., Controlgym, 2024.
    """

    dropped: bool = False
    size: str = "standard"

    def measure(self, run: Run) -> Scores:
        """One draw of initial states and inputs."""
        seed = int(run.numpy.integers(2**31))
        kind = _Dropped if self.dropped else ActuatedKS
        task = kind.at(self.size, name="koopman/ks8")
        assert isinstance(task, ActuatedKS)
        data, problem = task.data(seed), task.problem(seed)
        after = round(10 / task.dt)
        free = task.paths(data["test"][:, 0], np.zeros_like(data["test_inputs"][:, : after + 1]))
        apart = data["test"][:, after] - free[:, after]
        models: dict[str, Forecaster] = {
            "with_inputs": DMDc().fit_forecaster(problem, run),
            "without_inputs": DMD().fit_forecaster(problem, run),
        }
        ahead = {
            name: task.score({"forecast.test": _forecast(model, problem)}, seed).values["nrmse_5"]
            for name, model in models.items()
        }
        return Scores(
            ahead
            | {
                "apart": float(np.sqrt(np.square(apart / data["train"].std(axis=(0, 1))).mean())),
                "ratio": ahead["with_inputs"] / ahead["without_inputs"],
                "moved_mean": float(np.abs(data["test"][:, after].mean(axis=1)).max()),
            }
        )
