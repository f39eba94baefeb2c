"""Generative linear networks under the Bures-Wasserstein loss: their minimizers, and a critical point that is none."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.truth import orthonormal

__all__ = ["BuresWasserstein", "bures_wasserstein"]

Square = Float[Tensor, "n n"]


def bures_wasserstein(root: Square, w: Float[Tensor, "n k"]) -> Float[Tensor, ""]:
    """tr S + tr W W^T - 2 |S^{1/2} W|_* from S^{1/2}: the squared Wasserstein distance of N(0, S) and N(0, W W^T)."""
    return root.square().sum() + w.square().sum() - 2 * torch.linalg.svdvals(root @ w).sum()


@dataclass(frozen=True)
class BuresWasserstein:
    """Minimizers of the Bures-Wasserstein loss over rank k, W = W_1 ... W_L, are the top-k truncations of S.

    S n x n with eigenvalues 2 to 1/4 in equal steps, random eigenvectors; minimum sum_{i > k} lambda_i. L-BFGS from factors
    with entries N(0, 1/n), W_L of width k. Scores: `gap`, the final loss minus the minimum; `distance`, |W W^T - S_k|_F;
    `saddle_gradient`, the norm of the gradient in W at the truncation to all but the k-th of the k + 1 leading eigenvalues,
    and `saddle_gap` and `saddle_distance` there.
    Source: Bréchet, Papagiannouli, An and Montúfar, Critical points and convergence analysis of generative deep linear networks
    trained with Bures-Wasserstein loss, 2023, theorems 4.2 and 4.5.
    """

    depth: int = 1
    rank: int = 2
    n: int = 8
    steps: int = 400

    def measure(self, run: Run) -> Scores:
        """One minimization, and one point in closed form."""
        values = torch.linspace(2, 0.25, self.n, dtype=torch.float64)
        frame = torch.from_numpy(orthonormal(run.numpy, self.n, self.n))
        root = frame * values.sqrt() @ frame.T
        minimum = float(values[self.rank :].sum())
        best = frame[:, : self.rank] * values[: self.rank] @ frame[:, : self.rank].T
        w = self._minimized(root, run)
        other = [*range(self.rank - 1), self.rank]
        saddle = (frame[:, other] * values[other].sqrt()).requires_grad_(True)
        (gradient,) = torch.autograd.grad(bures_wasserstein(root, saddle), saddle)
        at_saddle = saddle.detach()
        return Scores(
            {
                "gap": float(bures_wasserstein(root, w)) - minimum,
                "distance": float((w @ w.T - best).norm()),
                "saddle_gradient": float(gradient.norm()),
                "saddle_gap": float(bures_wasserstein(root, at_saddle)) - minimum,
                "saddle_distance": float((at_saddle @ at_saddle.T - best).norm()),
            }
        )

    def _minimized(self, root: Square, run: Run) -> Float[Tensor, "n k"]:
        """The product of the factors at the end."""
        widths = [self.n] * self.depth + [self.rank]
        factors = [
            (torch.randn(a, b, generator=run.generator, dtype=torch.float64) / self.n**0.5).requires_grad_(True)
            for a, b in itertools.pairwise(widths)
        ]
        optimizer = torch.optim.LBFGS(
            factors,
            max_iter=self.steps,
            tolerance_grad=1e-10,
            tolerance_change=1e-16,
            history_size=20,
            line_search_fn="strong_wolfe",
        )

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = bures_wasserstein(root, self._product(factors))
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]
        return self._product([factor.detach() for factor in factors])

    @staticmethod
    def _product(factors: list[Tensor]) -> Tensor:
        w = factors[0]
        for factor in factors[1:]:
            w = w @ factor
        return w
