"""Balanced reduction of a Koopman model: the features that are both excited and needed for the state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.koopman.systems import box, slow_manifold_flow
from dynamark.tasks.problems import Run

__all__ = ["BalancedReduction"]


@dataclass(frozen=True)
class BalancedReduction:
    """EDMD on the slow manifold x1' = -0.05 x1, x2' = -(x2 - x1^2), reduced to `r` features by balancing or by PCA.

    psi+ = psi K, x = psi C with the monomials up to `degree`, from pairs 0.1 apart, states uniform in [-0.5, 0.5]^2.
    F_c = Psi_x/sqrt(M), F_o = [C, K C, ..., K^{T-1} C], SVD F_c F_o = U S V^T; T_r = F_o V_r S_r^{-1/2},
    S_r = S_r^{-1/2} U_r^T F_c, S_r T_r = I; z = psi T_r, K_r = S_r K T_r, C_r = S_r C. Principal components: the r leading
    right singular vectors of Psi_x in place of T_r and, transposed, S_r. Scores: `rank`, singular values above 1e-10 of the
    largest; `gap`, the value after the third over the first; `balanced_r` and `components_r`, the root mean square error of
    200 steps from new states, each coordinate over its standard deviation on these paths.
    Source: Otto and Rowley, Linearly Recurrent Autoencoder Networks, 2019, section 3.
    """

    degree: int = 5
    pairs: int = 2000
    time: int = 100
    steps: int = 200

    def measure(self, run: Run) -> Scores:
        """One sample of pairs, and 200 test states."""
        flow, starts = slow_manifold_flow(-0.05, -1.0), box((-0.5, -0.5), (0.5, 0.5))
        path = flow(starts(run.numpy, self.pairs), 0.1, 1)
        before, after = monomials(path[:, 0], self.degree), monomials(path[:, 1], self.degree)
        k = np.linalg.lstsq(before, after, rcond=None)[0]
        c = np.linalg.lstsq(before, path[:, 0], rcond=None)[0]
        truth = flow(starts(run.numpy, 200), 0.1, self.steps)
        lifted = monomials(truth[:, 0], self.degree)

        def error(down: ndarray, up: ndarray) -> float:
            """Of the reduced model z = psi down, psi ~ z up."""
            z, reduced, read = lifted @ down, up @ k @ down, up @ c
            paths = []
            for _ in range(self.steps):
                z = z @ reduced
                paths.append(z @ read)
            scaled = (np.stack(paths, axis=1) - truth[:, 1:]) / truth[:, 1:].std(axis=(0, 1))
            return float(np.sqrt(np.mean(np.square(scaled))))

        left, values, right = balance(before, k, c, self.time)
        principal = np.linalg.svd(before, full_matrices=False)[2].T
        scores = {
            "rank": float(np.sum(values > 1e-10 * values[0])),
            "gap": float(values[3:].max(initial=0) / values[0]),
        }
        for r in (2, 3):
            scores[f"balanced_{r}"] = error(right[:, :r], left[:r])
        for r in (3, 4, 5):
            scores[f"components_{r}"] = error(principal[:, :r], principal[:, :r].T)
        return Scores(scores)


def monomials(x: Float[ndarray, "state 2"], degree: int) -> Float[ndarray, "state monomial"]:
    """x1^i x2^j for all i + j <= degree."""
    powers = [(i, total - i) for total in range(degree + 1) for i in range(total, -1, -1)]
    return np.stack([x[:, 0] ** i * x[:, 1] ** j for i, j in powers], axis=1)


def balance(
    lifted: Float[ndarray, "pair feature"],
    k: Float[ndarray, "feature feature"],
    c: Float[ndarray, "feature dim"],
    time: int,
) -> tuple[Float[ndarray, "rank feature"], Float[ndarray, " rank"], Float[ndarray, "feature rank"]]:
    """S_r, the singular values of F_c F_o, and T_r, for r up to three times the machine's rank; F_c enters by its QR factor."""
    observed = [c]
    for _ in range(time - 1):
        observed.append(k @ observed[-1])
    f_o = np.concatenate(observed, axis=1)
    f_c = np.linalg.qr(lifted / np.sqrt(len(lifted)))[1]
    u, values, vt = np.linalg.svd(f_c @ f_o, full_matrices=False)
    roots = np.sqrt(np.maximum(values, np.finfo(float).tiny))
    return (u / roots).T @ f_c, values, f_o @ vt.T / roots
