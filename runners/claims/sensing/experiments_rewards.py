"""Completion of reward matrices: entries that a policy chose, and how many a user must give when others give theirs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.runners.claims.sensing.relative import relative_error
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["PolicyBias", "UserSamples", "alternated", "truncated"]

Weights = Float[ndarray, "*#problem row column"]


def truncated(matrix: Weights, rank: int) -> ndarray:
    """The leading part of the singular value decomposition."""
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    return (u[..., :rank] * s[..., None, :rank]) @ vt[..., :rank, :]


def alternated(rewards: Weights, weights: Weights, rank: int, ridge: float, sweeps: int) -> ndarray:
    """U V' after alternating minimization of sum w (R - U V')^2 + ridge (|U|^2 + |V|^2), from the SVD of w R.

    Weights are scaled to the mean 1 before; all problems at once.
    """
    weights = weights / weights.mean(axis=(-2, -1), keepdims=True)
    seen = weights * rewards
    right = np.linalg.svd(seen, full_matrices=False)[2][..., :rank, :].swapaxes(-1, -2)
    corner = ridge * np.eye(rank)
    left = right
    for _ in range(sweeps):
        left = _solved(weights, seen, right, corner)
        right = _solved(weights.swapaxes(-1, -2), seen.swapaxes(-1, -2), left, corner)
    return left @ right.swapaxes(-1, -2)


def _solved(weights: ndarray, seen: ndarray, other: ndarray, corner: ndarray) -> ndarray:
    """The rows u_i = (sum_j w_ij v_j v_j' + ridge I)^{-1} sum_j w_ij R_ij v_j."""
    rank = other.shape[-1]
    squares = (other[..., :, None] * other[..., None, :]).reshape(*other.shape[:-1], rank**2)
    grams = (weights @ squares).reshape(*weights.shape[:-1], rank, rank) + corner
    return np.linalg.solve(grams, (seen @ other)[..., None])[..., 0]


@dataclass(frozen=True)
class PolicyBias:
    """Completion from entries seen with p_ij = clip(e^{c + kappa R_ij}/(1 + i)^a, .02, 1), mean p = `share`: weights 1 or 1/p.

    R = U V'/sqrt(r) + noise N(0, 1), entries of U and V N(0, 1); rows i in a random order; entries that are seen are exact, p is
    known. kappa: how much the policy prefers reward; a: how unevenly it visits. In the mean the weights 1/p give the full loss,
    whose minimizer is the truncated SVD of R. Scores, errors |X - R|/|R| over all entries: `plain`, `inverse`, and `log_ratio` of
    inverse over plain; `oracle`, of the truncated SVD; on the expected loss, weights p w and no penalty: `expected_off`, |X - the
    truncated SVD|/|R| with w = 1/p, and `expected_ratio`, the error with w = 1 over that of the truncated SVD.
    Source: Shihab, Akter and Sharma, What Fundamental Structure in Reward Functions Enables Efficient Sparse-Reward Learning?,
    2025.
    """

    kappa: float = 1.0
    a: float = 0.0
    shape: tuple[int, int] = (60, 80)
    rank: int = 3
    noise: float = 0.3
    share: float = 0.3
    ridge: float = 0.3
    sweeps: int = 80

    def measure(self, run: Run) -> Scores:
        """Both weights on the same entries, and on the expected loss."""
        rng, r = run.numpy, self.rank
        left, right = (rng.standard_normal((size, r)) for size in self.shape)
        rewards = left @ right.T / r**0.5 + self.noise * rng.standard_normal(self.shape)
        p = self._probabilities(rng, rewards)
        mask = (rng.random(self.shape) < p).astype(float)
        best = truncated(rewards, r)
        estimates = alternated(rewards[None], np.stack([mask, mask / p]), r, self.ridge, self.sweeps)
        # On the expected loss, without the noise of the draw.
        biased, full = alternated(rewards[None], np.stack([p, np.ones_like(p)]), r, 0.0, self.sweeps)
        plain, inverse, oracle, expected = (relative_error(x, rewards) for x in (*estimates, best, biased))
        return Scores(
            {
                "plain": plain,
                "inverse": inverse,
                "log_ratio": float(np.log(inverse / plain)),
                "oracle": oracle,
                "expected_off": float(np.linalg.norm(full - best) / np.linalg.norm(rewards)),
                "expected_ratio": expected / oracle,
            }
        )

    def _probabilities(self, rng: np.random.Generator, rewards: ndarray) -> ndarray:
        """p, with c by bisection of its mean."""
        visits = self.kappa * rewards - self.a * np.log1p(rng.permutation(self.shape[0]))[:, None]
        low, high = -20.0, 20.0
        for _ in range(60):
            middle = (low + high) / 2
            mean = np.clip(np.exp(middle + visits), 0.02, 1).mean()
            low, high = (middle, high) if mean < self.share else (low, middle)
        return np.clip(np.exp((low + high) / 2 + visits), 0.02, 1)


@dataclass(frozen=True)
class UserSamples:
    """Entries s that each of N users must give until a matrix of rank r with 60 columns is completed to a relative error of .05.

    R = U V', entries N(0, 1), s entries per row at random, nested in s; `sweeps` of alternating minimization without weights.
    Score `entries`: least s of the grid plus the number of s at which completion fails, which is the least s that succeeds where
    success is monotone; `relative` = entries N/(r (N + 60 - r)), over the degrees of freedom; `monotone`.
    Source: Nagaraj, Kowshik, Agarwal, Netrapalli and Jain, Multi-User Reinforcement Learning with Low Rank Rewards, 2023.
    """

    users: int = 60
    columns: int = 60
    rank: int = 3
    grid: tuple[int, int] = (3, 30)
    sweeps: int = 120
    ridge: float = 1e-4
    target: float = 0.05

    def measure(self, run: Run) -> Scores:
        """Complete from every number of observed entries, as one batch."""
        rng, n, r = run.numpy, self.users, self.rank
        rewards = rng.standard_normal((n, r)) @ rng.standard_normal((self.columns, r)).T
        order = np.argsort(rng.random((n, self.columns)), axis=1).argsort(axis=1)
        counts = np.arange(self.grid[0], self.grid[1] + 1)
        masks = (order < counts[:, None, None]).astype(float)
        estimates = alternated(rewards[None], masks, min(r, n), self.ridge, self.sweeps)
        errors = np.linalg.norm(estimates - rewards, axis=(1, 2)) / np.linalg.norm(rewards)
        fails = errors >= self.target
        entries = float(counts[0] + fails.sum())
        return Scores(
            {
                "entries": entries,
                "relative": entries * n / (r * (n + self.columns - r)),
                "monotone": float(not (np.diff(fails.astype(int)) > 0).any()),
            }
        )
