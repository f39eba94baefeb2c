"""Discrete-time hybrid automata: affine maps, and guards that tell which of them comes next."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.fields import Count, Range, SearchSpace
from dynamark.methods.recurrent.forecaster import autonomous
from dynamark.methods.recurrent.planes import affine, k_planes, squared_residuals
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["Automaton", "Guards", "HybridAutomaton"]


@dataclass(frozen=True)
class HybridAutomaton:
    """x_{t+1} = [z_t, 1] B_q, q_t = g(q_{t-1}, z_t), z_t the last `taps` observations: K affine maps and learned guards.

    The maps and the modes q of all training steps minimize the sum of squared one-step errors (k-plane regression), so no
    segmentation is needed. For every previous mode and every two candidates for the next, a decision stump tells these apart: a
    threshold on one coordinate of z or of one of the K predictions, the one with the fewest errors; the candidate with most
    votes is the next mode. The mode at the end of a context is that of the automaton whose run through the context has
    the least error, of K runs that start in each mode.
    modes: K. taps: observations in z. restarts: starts of the k-plane regression, of which the best counts. memory: False: the
    guards do not see the previous mode, so that the next one is a function of z.
    The model class of the paper with affine maps in place of networks, and without its encoder of the terrain.
    Source: Liu, Teng, Liu, Zhang and Ghaffari 2025, section 3.
    key: liu2025
    """

    modes: Annotated[int, Range(1, 20)] = 2
    taps: Count = 1
    restarts: Count = 3
    memory: bool = True
    search_space: ClassVar[SearchSpace] = {"modes": (2, 3, 4), "taps": (1, 2, 3)}

    def fit_forecaster(self, problem: Forecasting, run: Run) -> Automaton:
        """k-plane regression, then stumps on its modes."""
        observed = autonomous(problem).train.observations.double().cpu().numpy()
        if observed.shape[1] <= self.taps:
            raise UserError(
                f"trajectories of {observed.shape[1]} samples are too short: {self.taps} taps need {self.taps + 1}"
            )
        z, following = windows(observed[:, :-1], self.taps), observed[:, self.taps :]
        maps, mode = k_planes(z, following, self.modes, run.numpy, self.restarts)
        return Automaton(maps, Guards.between(features(z, maps)[:, 1:], mode, self.memory), self.taps)


def windows(x: Float[ndarray, "trajectory time dim"], taps: int) -> Float[ndarray, "trajectory window state"]:
    """The last `taps` observations at every time, the newest first."""
    count = x.shape[1] - taps + 1
    return np.concatenate([x[:, lag : lag + count] for lag in reversed(range(taps))], axis=2)


def features(
    z: Float[ndarray, "*batch state"], maps: Float[ndarray, "map state_plus_one dim"]
) -> Float[ndarray, "*batch feature"]:
    """What guards may look at: the state and what each map makes of it."""
    return np.concatenate([z, *(affine(z) @ one for one in maps)], axis=-1)


@dataclass(frozen=True)
class Guards:
    """For previous mode i and candidates j < l: the next is l where sign (feature - threshold) > 0, else j.

    coordinate, threshold, sign: by [i, j, l]. frequency: of the modes, by which ties of votes are decided. memory: False: i = 0
    whatever the previous mode.
    """

    coordinate: Int[ndarray, "mode mode mode"]
    threshold: Float[ndarray, "mode mode mode"]
    sign: Float[ndarray, "mode mode mode"]
    frequency: Float[ndarray, " mode"]
    memory: bool = True

    @classmethod
    def between(
        cls, seen: Float[ndarray, "trajectory step feature"], mode: Int[ndarray, "trajectory _"], memory: bool = True
    ) -> Guards:
        """Stumps for the modes of steps [1:] from features at these steps and the modes of the steps before."""
        count = int(mode.max(initial=0)) + 1
        shape = (count,) * 3
        guards = cls(
            np.zeros(shape, int), np.zeros(shape), np.zeros(shape), np.bincount(mode.ravel()) / mode.size, memory
        )
        before, after = memory * mode[:, :-1].ravel(), mode[:, 1:].ravel()
        flat = seen.reshape(-1, seen.shape[2])
        for i, (j, other) in itertools.product(range(count), itertools.combinations(range(count), 2)):
            chosen = (before == i) & ((after == j) | (after == other))
            stump = _stump(flat[chosen], after[chosen] == other)
            guards.coordinate[i, j, other], guards.threshold[i, j, other], guards.sign[i, j, other] = stump
        return guards

    def next(
        self, mode: Int[ndarray, " trajectory"], seen: Float[ndarray, "trajectory feature"]
    ) -> Int[ndarray, " trajectory"]:
        """The modes that follow."""
        count = len(self.frequency)
        votes = np.tile(self.frequency / 2, (len(mode), 1))
        rows = np.arange(len(mode))
        for j, other in itertools.combinations(range(count), 2):
            stump = self.memory * mode, j, other
            gap = seen[rows, self.coordinate[stump]] - self.threshold[stump]
            votes[rows, np.where(self.sign[stump] * gap > 0, other, j)] += 1
        return votes.argmax(axis=1)


def _stump(x: Float[ndarray, "point feature"], y: Bool[ndarray, " point"]) -> tuple[int, float, float]:
    """Coordinate, threshold and sign of the stump with the fewest errors; of several the one with the widest relative gap."""
    if not len(y):
        return 0, np.inf, 1.0
    if y.all() or not y.any():
        return 0, -np.inf if y.all() else np.inf, 1.0
    order = np.argsort(x, axis=0, kind="stable")
    values = np.take_along_axis(x, order, axis=0)
    positive = y[order].cumsum(axis=0)[:-1]  # among the first 1, 2, ... of the order
    place = np.arange(1, len(y))[:, None]
    wrong_above = positive + (len(y) - y.sum()) - (place - positive)  # True above the threshold
    errors = np.stack([wrong_above, len(y) - wrong_above])
    gaps = np.diff(values, axis=0)
    spread = np.maximum(values[-1] - values[0], np.finfo(float).tiny)
    errors = np.where(gaps > 0, errors, len(y) + 1)
    score = errors - np.where(gaps > 0, gaps / spread, 0.0) / 2
    side, row, coordinate = np.unravel_index(int(score.argmin()), score.shape)
    if errors[side, row, coordinate] >= min(y.sum(), (~y).sum()):
        return 0, -np.inf if 2 * y.sum() > len(y) else np.inf, 1.0
    threshold = (values[row, coordinate] + values[row + 1, coordinate]) / 2
    return int(coordinate), float(threshold), 1.0 if side == 0 else -1.0


class Automaton:
    """The fitted maps and guards."""

    def __init__(self, maps: Float[ndarray, "mode state_plus_one dim"], guards: Guards, taps: int) -> None:
        self.maps, self.guards, self.taps = maps[: len(guards.frequency)], guards, taps

    def step(
        self, z: Float[ndarray, "trajectory state"], mode: Int[ndarray, " trajectory"]
    ) -> Float[ndarray, "trajectory dim"]:
        """The observation that follows in these modes."""
        return np.einsum("ns,nsd->nd", affine(z), self.maps[mode])

    def follow(
        self, x: Float[ndarray, "trajectory time dim"], mode: Int[ndarray, " trajectory"]
    ) -> Int[ndarray, "trajectory step"]:
        """The modes of all steps of observed trajectories: the first is given, each later one is what the guards tell."""
        modes = [mode]
        for z in windows(x, self.taps)[:, 1:].swapaxes(0, 1):
            modes.append(self.guards.next(modes[-1], features(z, self.maps)))
        return np.stack(modes, axis=1)

    def start(self, x: Float[ndarray, "trajectory time dim"]) -> Int[ndarray, " trajectory"]:
        """The mode of the step after each context: of the run through the context with the least error."""
        if x.shape[1] <= self.taps:
            return np.zeros(len(x), dtype=int)
        residual = squared_residuals(windows(x[:, :-1], self.taps), x[:, self.taps :], self.maps)
        runs, costs = [], []
        for first in range(len(self.maps)):
            modes = self.follow(x, np.full(len(x), first))
            runs.append(modes[:, -1])
            costs.append(np.take_along_axis(residual, modes[:, :-1, None], axis=2).sum(axis=(1, 2)))
        return np.stack(runs, axis=1)[np.arange(len(x)), np.argmin(costs, axis=0)]

    def run(
        self, x: Float[ndarray, "trajectory time dim"], horizon: int
    ) -> tuple[Float[ndarray, "trajectory horizon dim"], Int[ndarray, "trajectory horizon"]]:
        """The continuation of contexts and the modes of its steps."""
        past = np.concatenate([np.repeat(x[:, :1], max(0, self.taps - x.shape[1]), axis=1), x], axis=1)
        z, mode = windows(past[:, past.shape[1] - self.taps :], self.taps)[:, 0], self.start(x)
        states, modes = [], []
        for step in range(horizon):
            if step:
                mode = self.guards.next(mode, features(z, self.maps))
            state = self.step(z, mode)
            z = np.concatenate([state, z], axis=1)[:, : z.shape[1]]
            states.append(state)
            modes.append(mode)
        return np.stack(states, axis=1), np.stack(modes, axis=1)

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The free run after each context. A context that is shorter than a window is padded with its first observation."""
        return torch.from_numpy(self.run(context.observations.double().cpu().numpy(), horizon)[0])

    def parameter_count(self) -> int:
        """The entries of the maps and a coordinate, a threshold and a sign for each guard."""
        count = len(self.maps)
        return self.maps.size + 3 * count * (count * (count - 1) // 2)
