"""Recurrent networks that imitate a linear-quadratic controller, in closed loop with the plant and with other plants."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from dynamark.methods.sequence.sparse_cfc import LowRankCfC
from dynamark.methods.training import Recipe, train
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["NETS", "Expert", "Imitation", "Plant", "Student", "closed_loop"]

_STEP, _FORCE, _CUT = 0.1, 10.0, 100.0
_STATE_NOISE, _SENSOR_NOISE, _START = np.diag([1e-4, 4e-3]), 0.02**2, 0.09
_STATE_COST, _FORCE_COST = np.diag([1.0, 0.1]), 0.1

# The networks by name: rank (0: full) and sparsity of the recurrent weights.
NETS: dict[str, tuple[int, float]] = {"full": (0, 0.0), "4_80": (4, 0.8), "2_50": (2, 0.5)}


@dataclass(frozen=True)
class Plant:
    """x' = [[0, 1], [stiffness, -0.1]] x + [0, 1/mass] u, u constant for 0.1; y = x_1 + noise of `sensor` times the nominal size.

    At each step noise of variance diag(1e-4, 4e-3) enters the state, and noise of standard deviation 0.02 the output.
    """

    stiffness: float = 1.0
    mass: float = 1.0
    sensor: float = 1.0

    def matrices(self) -> tuple[Float[ndarray, "2 2"], Float[ndarray, "2 1"]]:
        """A and B of the plant sampled at 0.1."""
        continuous = np.zeros((3, 3))
        continuous[0, 1] = 1
        continuous[1] = self.stiffness, -0.1, 1 / self.mass
        both = scipy.linalg.expm(_STEP * continuous)
        return both[:2, :2], both[:2, 2:]


PLANTS = {"nominal": Plant(), "stiffness": Plant(2.5), "mass": Plant(mass=2.5), "sensor": Plant(sensor=6.0)}


@dataclass
class Expert:
    """u = -K x^, x^ of the stationary Kalman filter, for the nominal plant: the optimum for x'Qx + R u^2 without limits."""

    estimate: Float[ndarray, "episode 2"]

    def __post_init__(self) -> None:
        self.a, self.b = a, b = Plant().matrices()
        value = scipy.linalg.solve_discrete_are(a, b, _STATE_COST, np.array([[_FORCE_COST]]))
        self.gain = np.linalg.solve(_FORCE_COST + b.T @ value @ b, b.T @ value @ a)[0]
        spread = scipy.linalg.solve_discrete_are(a.T, np.eye(2, 1), _STATE_NOISE, np.array([[_SENSOR_NOISE]]))
        self.filter = spread[:, 0] / (spread[0, 0] + _SENSOR_NOISE)

    def act(self, y: Float[ndarray, " episode"]) -> Float[ndarray, " episode"]:
        """The force after the correction of the estimate by y."""
        self.estimate = self.estimate + np.outer(y - self.estimate[:, 0], self.filter)
        return -self.estimate @ self.gain

    def applied(self, u: Float[ndarray, " episode"]) -> None:
        """The estimate one step later."""
        self.estimate = self.estimate @ self.a.T + np.outer(u, self.b[:, 0])


@dataclass
class Student:
    """A trained CfC layer as a controller: from (y_t, u_{t-1}) to u_t, one step of all episodes at once."""

    layer: Any
    scale: Float[ndarray, "2"]  # of y and of u
    state: Float[ndarray, "episode unit"]
    force: Float[ndarray, " episode"]
    weights: tuple[ndarray, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.weights = self.layer.steps().weights

    def act(self, y: Float[ndarray, " episode"]) -> Float[ndarray, " episode"]:
        """The output of the layer, as `steps.cfc` for many sequences with a gap of 1."""
        into, offset, recurrent, heads, bias, out, shift = self.weights
        x = np.stack([y, self.force], axis=1) / self.scale
        values = np.tanh(x @ into + offset + self.state @ recurrent) @ heads + bias
        first, second, slope, level = np.split(values, 4, axis=1)
        mix = 1 / (1 + np.exp(-(slope + level)))
        self.state = np.tanh(first) + mix * (np.tanh(second) - np.tanh(first))
        return np.asarray((self.state @ out + shift)[:, 0] * self.scale[1])

    def applied(self, u: Float[ndarray, " episode"]) -> None:
        """The input of the next step."""
        self.force = u


def closed_loop(
    plant: Plant,
    controller: Expert | Student,
    noise: Float[ndarray, "time episode 3"],
    start: Float[ndarray, "episode 2"],
) -> tuple[Float[ndarray, "time episode"], Float[ndarray, "time episode"], Float[ndarray, "time episode"]]:
    """Outputs, forces of at most 10, and costs min(x'Qx + R u^2, 100). noise: standard normal, of the state and the output."""
    a, b = plant.matrices()
    x, shape = start, noise.shape[:2]
    outputs, forces, costs = np.empty(shape), np.empty(shape), np.empty(shape)
    scale = np.sqrt(np.diag(_STATE_NOISE))
    for t in range(len(noise)):
        outputs[t] = x[:, 0] + plant.sensor * _SENSOR_NOISE**0.5 * noise[t, :, 2]
        u = np.clip(controller.act(outputs[t]), -_FORCE, _FORCE)
        controller.applied(u)
        forces[t] = u
        costs[t] = np.minimum(np.sum(x @ _STATE_COST * x, axis=1) + _FORCE_COST * u**2, _CUT)
        x = x @ a.T + np.outer(u, b[:, 0]) + scale * noise[t, :, :2]
    return outputs, forces, costs


@dataclass(frozen=True)
class Imitation:
    """Closed-form continuous-time cells imitate a linear-quadratic-Gaussian controller of an unstable plant, and replace it.

    The nets of `NETS`, all with `units` units and as many in the backbone, are trained on `train` episodes of the expert, from
    (y_t, u_{t-1}) to u_t, by Adam with clipped gradients, on batches of `batch` episodes; the full one and those of low rank and
    few entries on the same batches. Then each controls the nominal plant and three others in closed loop.
    cost_<net>_<plant>: mean cost over the expert's on the same noise. cost_untrained: of the full net before training.
    nmse_<net>: squared error on `test` other episodes of the expert over the variance of its force. parameters_<net>: those of
    the recurrent matrix. Source: Tumma et al. 2024, section 5, with a plant of two states instead of games and simulated robots.
    """

    units: int = 32
    train: int = 64
    length: int = 60
    batch: int = 16
    steps: int = 300
    rate: float = 1e-2
    test: int = 128
    horizon: int = 150

    def measure(self, run: Run) -> Scores:
        """Costs, errors and parameters of all nets."""
        x, y, scale = self._episodes(self.train, run.numpy)
        other_x, other_y, _ = self._episodes(self.test, run.numpy, scale)
        noise = run.numpy.standard_normal((self.horizon, self.test, 3))
        start = _START**0.5 * run.numpy.standard_normal((self.test, 2))
        costs = {
            name: float(closed_loop(plant, Expert(np.zeros_like(start)), noise, start)[2].mean())
            for name, plant in PLANTS.items()
        }
        order = [run.numpy.permutation(self.train)[: self.batch] for _ in range(self.steps)]
        values: dict[str, float] = {}
        for name, (rank, sparsity) in NETS.items():
            method = LowRankCfC(units=self.units, backbone=self.units, rank=rank, sparsity=sparsity)
            layer: Any = method.layer(3, 1, self.length, run.generator)
            if name == "full":
                untrained = self._cost(layer, scale, PLANTS["nominal"], noise, start)
                values["cost_untrained"] = untrained / costs["nominal"]
            batches = iter(order)

            def batch(member: int, own: Run, batches: Any = batches) -> tuple[Tensor, Tensor]:
                rows = next(batches)
                return x[rows], y[rows]

            train([layer], _loss, batch, [run], Recipe(steps=self.steps, rate=self.rate))
            with torch.no_grad():
                values[f"nmse_{name}"] = float(_loss(layer, other_x, other_y) / other_y.var())
            values[f"parameters_{name}"] = float(sum(part.numel() for part in layer.factors))
            for place, plant in PLANTS.items():
                values[f"cost_{name}_{place}"] = self._cost(layer, scale, plant, noise, start) / costs[place]
        return Scores(values)

    def _episodes(
        self, count: int, rng: np.random.Generator, scale: ndarray | None = None
    ) -> tuple[Float[Tensor, "episode time 3"], Float[Tensor, "episode time 1"], Float[ndarray, "2"]]:
        """(y_t, u_{t-1}, gap 1) and u_t of the expert, over their root mean squares or those given."""
        noise = rng.standard_normal((self.length, count, 3))
        start = _START**0.5 * rng.standard_normal((count, 2))
        outputs, forces, _ = closed_loop(Plant(), Expert(np.zeros((count, 2))), noise, start)
        if scale is None:
            scale = np.sqrt([np.mean(outputs**2), np.mean(forces**2)])
        before = np.concatenate([np.zeros((1, count)), forces[:-1]])
        parts = [outputs / scale[0], before / scale[1], np.ones_like(outputs), forces / scale[1]]
        x = torch.from_numpy(np.stack(parts, axis=2)).float().movedim(0, 1)
        return x[..., :3].contiguous(), x[..., 3:].contiguous(), scale

    def _cost(self, layer: Any, scale: ndarray, plant: Plant, noise: ndarray, start: ndarray) -> float:
        """The mean cost of a network as the controller."""
        count = len(start)
        student = Student(layer, scale, np.zeros((count, self.units)), np.zeros(count))
        return float(closed_loop(plant, student, noise, start)[2].mean())


def _loss(network: Any, x: Tensor, y: Tensor) -> Tensor:
    return (network(x) - y).square().mean()
