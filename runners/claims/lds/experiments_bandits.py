"""A bandit whose rewards pass through a linear system, played by optimism with and without waiting for the system to settle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from dynamark.tasks.base import Curve, Scores
from dynamark.tasks.problems import Run

__all__ = [
    "DynamicalBandit",
    "Game",
    "Policy",
    "System",
    "drawn_system",
    "epoch_lengths",
    "late_exponent",
    "learned",
    "play",
]

PolicyName = Literal["dynlin", "linucb", "linucb_held"]


@dataclass(frozen=True)
class System:
    """y_t = <om, x_t> + <th, a_t> + N(0, reward_noise^2), x_{t+1} = A x_t + B a_t + N(0, state_noise^2 I), x_0 = 0.

    The action a_t is one of `actions`. |A|_2 = radius, so that sup_t |A^t| / radius^t = 1.
    """

    a: Float[ndarray, "state state"]
    b: Float[ndarray, "state coordinate"]
    om: Float[ndarray, " state"]
    th: Float[ndarray, " coordinate"]
    actions: Float[ndarray, "action coordinate"]
    radius: float
    reward_noise: float = 0.1
    state_noise: float = 0.01

    @property
    def gain(self) -> Float[ndarray, " state"]:
        """(I - A')^{-1} om: what a unit of the state adds to all later rewards."""
        return np.linalg.solve(np.eye(len(self.a)) - self.a.T, self.om)

    @property
    def h(self) -> Float[ndarray, " coordinate"]:
        """h = th + B'(I - A')^{-1} om: <h, a> is the reward of the constant action a in the long run."""
        return self.th + self.b.T @ self.gain


def drawn_system(radius: float, instance: int, states: int = 5, dim: int = 3, count: int = 50) -> System:
    """A Gaussian, scaled to |A|_2 = radius; B ~ .5 |N|, om ~ .3 |N|, th ~ .3 N; actions uniform on the sphere.

    Instances of equal number differ in the radius alone.
    """
    rng = np.random.default_rng(instance)
    a = rng.standard_normal((states, states))
    b = 0.5 * np.abs(rng.standard_normal((states, dim)))
    om, th = 0.3 * np.abs(rng.standard_normal(states)), 0.3 * rng.standard_normal(dim)
    actions = rng.standard_normal((count, dim))
    actions /= np.linalg.norm(actions, axis=1, keepdims=True)
    return System(radius * a / np.linalg.norm(a, 2), b, om, th, actions, radius)


@dataclass(frozen=True)
class Policy:
    """Optimism: a_t = argmax <h^, a> + beta |a|_{V^{-1}}, h^ = V^{-1} b, V = penalty I + sum a a', b = sum y a.

    hold: epoch m repeats its action for 1 + floor(ln m / ln(1/radius)) rounds; otherwise an epoch is one round. last: only the
    last reward of an epoch enters V and b; otherwise all do. DynLin-UCB: both. LinUCB: neither.
    bonus: beta; `small` .1 sqrt(dim ln(t + 2)) + .2, or `paper`, the theorem's with the true norms of the system.
    """

    hold: bool = True
    last: bool = True
    bonus: Literal["small", "paper"] = "small"
    penalty: float = 1.0

    def beta(self, system: System, t: int, horizon: int) -> float:
        """The width of the confidence set after t rounds.

        paper: c1 sqrt(penalty) + c2 / sqrt(penalty) ln(e (t + 1)) + sqrt(2 s^2 (ln T + dim/2 ln(1 + t / (dim penalty)))),
        c1 = |th| + |om| |B| / (1 - radius), c2 = |om| (|B| + 1) / (1 - radius), s^2 = noise^2 (1 + |om|^2 / (1 - radius^2)).
        """
        dim, penalty = len(system.th), self.penalty
        if self.bonus == "small":
            return 0.1 * math.sqrt(dim * math.log(t + 2)) + 0.2
        om, b, rest = np.linalg.norm(system.om), np.linalg.norm(system.b, 2), 1 - system.radius
        c1, c2 = np.linalg.norm(system.th) + om * b / rest, om * (b + 1) / rest
        spread = system.reward_noise**2 * (1 + om**2 / (1 - system.radius**2))
        width = 2 * spread * (math.log(horizon) + dim / 2 * math.log(1 + t / (dim * penalty)))
        return float(c1 * math.sqrt(penalty) + c2 / math.sqrt(penalty) * (1 + math.log(t + 1)) + math.sqrt(width))


POLICIES: dict[PolicyName, tuple[bool, bool]] = {
    "dynlin": (True, True),
    "linucb": (False, False),
    "linucb_held": (True, False),
}


def epoch_lengths(radius: float, horizon: int, hold: bool) -> list[int]:
    """1 + floor(ln m / ln(1/radius)) for epochs m = 1, 2, ..., or 1; cut at the horizon."""
    lengths: list[int] = []
    while (left := horizon - sum(lengths)) > 0:
        waiting = math.floor(math.log(len(lengths) + 1) / math.log(1 / radius)) if hold else 0
        lengths.append(min(1 + waiting, left))
    return lengths


def learned(policy: Policy, rewards: Float[ndarray, "game round"]) -> Float[ndarray, "game row"]:
    """The rewards of an epoch that enter the regression: the last, or all."""
    return rewards[:, -1:] if policy.last else rewards


@dataclass(frozen=True)
class Game:
    """The actions by index, the rewards, and the state after the last round."""

    chosen: Int[ndarray, "game time"]
    rewards: Float[ndarray, "game time"]
    state: Float[ndarray, "game state"]


def play(
    system: System,
    policy: Policy,
    reward_noise: Float[ndarray, "game time"],
    state_noise: Float[ndarray, "game time state"],
) -> Game:
    """Independent games of one policy on one system, side by side."""
    games, horizon = reward_noise.shape
    dim, x = len(system.th), np.zeros((games, len(system.a)))
    precision = np.broadcast_to(policy.penalty * np.eye(dim), (games, dim, dim)).copy()
    b = np.zeros((games, dim))
    chosen, rewards, t = np.zeros((games, horizon), dtype=int), np.empty((games, horizon)), 0
    for length in epoch_lengths(system.radius, horizon, policy.hold):
        inverse = np.linalg.inv(precision)
        estimate = (inverse @ b[..., None])[..., 0]
        widths = np.sqrt(np.sum((system.actions @ inverse) * system.actions, axis=2))
        best = np.argmax(estimate @ system.actions.T + policy.beta(system, t, horizon) * widths, axis=1)
        action = system.actions[best]
        direct, push = action @ system.th, action @ system.b.T
        for step in range(t, t + length):
            rewards[:, step] = x @ system.om + direct + reward_noise[:, step]
            x = x @ system.a.T + push + state_noise[:, step]
        seen = learned(policy, rewards[:, t : t + length])
        precision += seen.shape[1] * action[:, :, None] * action[:, None, :]
        b += seen.sum(axis=1, keepdims=True) * action
        chosen[:, t : t + length] = best[:, None]
        t += length
    return Game(chosen, rewards, x)


@dataclass(frozen=True)
class DynamicalBandit:
    """Pseudo-regret R_T = sum_t <h, a* - a_t> of a policy on a dynamical linear bandit; the seed draws the noise alone.

    policy: `dynlin` waits within an epoch and learns from its last reward (Mussi et al. 2023, algorithm 1), `linucb` does
    neither, `linucb_held` repeats the actions of an epoch as `dynlin` does and learns from every reward. instance: which system.
    exponent: least-squares slope of ln R_t on ln t at 16 log-spaced t in [T/4, T]. from_rewards: T <h, a*> - sum y_t -
    <gain, x_T>, the regret by rewards without its boundary term, plus three standard deviations of the noise in it; below 0 with
    probability 0.001 at most.
    """

    policy: PolicyName = "dynlin"
    bonus: Literal["small", "paper"] = "small"
    radius: float = 0.9
    instance: int = 0
    horizon: int = 10_000

    def measure(self, run: Run) -> Scores:
        """The regret and its exponent."""
        system = drawn_system(self.radius, self.instance)
        noise = system.reward_noise * run.numpy.standard_normal((1, self.horizon))
        kicks = system.state_noise * run.numpy.standard_normal((1, self.horizon, len(system.a)))
        hold, last = POLICIES[self.policy]
        game = play(system, Policy(hold, last, self.bonus), noise, kicks)
        means = system.actions @ system.h
        regret = np.cumsum(means.max() - means[game.chosen[0]])
        spread = math.sqrt(system.reward_noise**2 + (system.state_noise * np.linalg.norm(system.gain)) ** 2)
        settled = self.horizon * means.max() - game.rewards.sum() - float(game.state[0] @ system.gain)
        time = np.arange(1, self.horizon + 1)
        return Scores(
            {
                "regret": float(regret[-1]),
                "exponent": late_exponent(regret),
                "from_rewards": float(settled + 3 * spread * math.sqrt(self.horizon)),
            },
            (Curve("regret_by_time", time, regret),),
        )


def late_exponent(regret: Float[ndarray, " time"]) -> float:
    """The slope of ln R_t on ln t at 16 log-spaced points of [T/4, T]."""
    t = np.unique(np.round(np.geomspace(len(regret) / 4, len(regret), 16)).astype(int))
    logs = np.log(t)
    centered = logs - logs.mean()
    return float(np.log(regret[t - 1]) @ centered / (centered @ centered))
