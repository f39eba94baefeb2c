"""Self-predictive learning as a flow: features that predict their own successors, with and without the stopped gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.numerics.integrators import Field, rk4_step
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.truth import orthonormal

__all__ = ["SelfPredictiveFlow"]


@dataclass(frozen=True)
class SelfPredictiveFlow:
    """F' = -D (F K - P G) K^T, G' = -D (G L - P~ F) L^T: features that predict the features of the next state.

    P, the transition matrix: the mean of `permutations` random n x n permutation matrices, hence doubly stochastic, D = I/n,
    P~ = D^{-1} P^T D = P^T; `symmetric`: (P + P^T)/2. F, G [state, feature] start with orthonormal columns. The predictors are
    optimal at every time, K = (F^T D F)^{-1} F^T D P G and L = (G^T D G)^{-1} G^T D P~ F. Two sides: F and G are independent;
    one side: G = F, a flow of F alone. `gradient`: `stopped` at the targets P G and P~ F, as above, or `full`, which adds
    P^T D F K - D G to G' and P~^T D G L - D F to F'. Steps of the classical Runge-Kutta method of size `step`.

    Scores: `drift`, the largest |F^T F - I| (and |G^T G - I|) over all steps; `least_increment`, the smallest increase of
    |F^T P G|_F^2 over a step; `ratio`, its last value over s_1^2 + ... + s_d^2, s the singular values of P; `cosine`, the
    smallest cosine of an angle between the span of F and the leading left singular vectors (of G: right); `second`, the second
    singular value of F at the end, small after a collapse; of one side and a symmetric P also `same_signs`, the last value over
    the largest of an invariant space on which P has as many negative eigenvalues: every such space is a local maximum.
    Source: Tang et al., Understanding Self-Predictive Learning for Reinforcement Learning, 2023, sections 3 and 5.
    """

    sides: int = 2
    symmetric: bool = False
    gradient: Literal["stopped", "full"] = "stopped"
    states: int = 20
    features: int = 3
    permutations: int = 6
    step: float = 2.0
    steps: int = 8000

    def measure(self, run: Run) -> Scores:
        """Integrate the flow for one random chain from one random orthonormal start."""
        chain = transition(run.numpy, self.states, self.permutations, self.symmetric)
        start = np.stack([orthonormal(run.numpy, self.states, self.features) for _ in range(self.sides)])
        field = flow(chain, self.gradient == "full")
        x, drift, least, before = start, 0.0, np.inf, predictable(chain, start)
        for _ in range(self.steps):
            x = rk4_step(field, x, self.step)
            after = predictable(chain, x)
            least, before = min(least, after - before), after
            drift = max(drift, float(np.abs(x.mT @ x - np.eye(self.features)).max()))
        left, values, right = np.linalg.svd(chain)
        leading = np.stack([left, right.T])[: self.sides, :, : self.features]
        scores = {
            "drift": drift,
            "least_increment": least,
            "ratio": before / float(np.square(values[: self.features]).sum()),
            "cosine": float(np.linalg.svd(leading.mT @ np.linalg.qr(x)[0], compute_uv=False).min()),
            "second": float(np.linalg.svd(x[0], compute_uv=False)[1]),
        }
        if self.sides == 1 and self.symmetric:
            scores["same_signs"] = before / local_maximum(chain, x[0])
        return Scores(scores)


def transition(
    rng: np.random.Generator, states: int, permutations: int, symmetric: bool
) -> Float[ndarray, "state state"]:
    """The mean of random permutation matrices, or its symmetric part: a doubly stochastic matrix."""
    chain = np.mean([np.eye(states)[rng.permutation(states)] for _ in range(permutations)], axis=0)
    return (chain + chain.T) / 2 if symmetric else chain


def predictable(chain: Float[ndarray, "state state"], x: Float[ndarray, "side state feature"]) -> float:
    """|F^T P G|_F^2, F the first side and G the last."""
    return float(np.square(x[0].T @ chain @ x[-1]).sum())


def local_maximum(chain: Float[ndarray, "state state"], x: Float[ndarray, "state feature"]) -> float:
    """The sum of the squares of the q most negative and d - q largest eigenvalues of P, q the number of negative ones of F^T P F.

    Between spaces of different q the objective must fall: an eigenvalue of F^T P F would have to pass zero.
    """
    values = np.linalg.eigvalsh(chain)
    negative = int(np.sum(np.linalg.eigvalsh(x.T @ chain @ x) < 0))
    positive = x.shape[1] - negative
    return float(np.square(values[:negative]).sum() + np.square(values[len(values) - positive :]).sum())


def flow(chain: Float[ndarray, "state state"], full: bool) -> Field:
    """The flow of features x [side, state, feature]; the targets of each side are the features of the other, or its own.

    D = I/n cancels in the predictors.
    """

    def field(x: ndarray) -> ndarray:
        forward = np.stack([chain, chain.T])[: len(x)]
        targets = x[::-1]
        successors = forward @ targets  # P G and P~ F
        predictors = np.linalg.solve(x.mT @ x, x.mT @ successors)  # K and L
        fits = x @ predictors
        slope = (fits - successors) @ predictors.mT
        if full:
            slope = slope + (targets - forward.mT @ fits)[::-1]
        return -slope / len(chain)

    return field
