"""The Bures-Wasserstein loss with a smoothed covariance: how far its minimizer moves, and the curvature that it bounds."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.runners.claims.sensing.experiments_covariance import bures_wasserstein
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.truth import orthonormal

__all__ = ["SmoothedLoss", "extreme_curvatures", "minimized", "smoothed_loss"]

Square = Float[Tensor, "n n"]
Factor = Float[Tensor, "n k"]
Loss = Callable[[Tensor], Tensor]


def smoothed_loss(root: Square, w: Factor, epsilon: float) -> Float[Tensor, ""]:
    """The squared distance of N(0, S) and N(0, W W^T + eps I), from S^{1/2}: the loss at [W, sqrt(eps) I]."""
    return bures_wasserstein(root, torch.cat([w, epsilon**0.5 * torch.eye(len(root), dtype=w.dtype)], dim=1))


def _frobenius(root: Square, w: Factor) -> Float[Tensor, ""]:
    """|S - W W^T|^2/4 from S^{1/2}."""
    return (root @ root - w @ w.T).square().sum() / 4


def _product(factors: list[Tensor]) -> Tensor:
    return factors[0] if len(factors) == 1 else torch.linalg.multi_dot(factors)


def minimized(factors: list[Tensor], loss: Loss, steps: int) -> Factor:
    """The product of the factors after L-BFGS on the loss of the product."""
    moving = [factor.clone().requires_grad_(True) for factor in factors]
    optimizer = torch.optim.LBFGS(
        moving,
        max_iter=steps,
        tolerance_grad=1e-11,
        tolerance_change=1e-17,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(_product(moving))
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return _product([factor.detach() for factor in moving])


def extreme_curvatures(loss: Loss, w: Factor) -> tuple[float, float]:
    """The smallest and the largest eigenvalue of the Hessian of a loss in the entries of W."""
    hessian = torch.autograd.functional.hessian(loss, w)  # type: ignore[no-untyped-call]
    values = torch.linalg.eigvalsh(hessian.reshape(w.numel(), w.numel()))
    return float(values[0]), float(values[-1])


def _slope(x: tuple[float, ...], y: list[float]) -> float:
    """The exponent p of y = c x^p by least squares of logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


@dataclass(frozen=True)
class SmoothedLoss:
    """The minimizer of the smoothed loss B^2(S, W W^T + eps I) over rank k, W = W_1 ... W_L, and curvatures of the losses.

    S n x n with eigenvalues 2 to 1/4 in equal steps, random eigenvectors. The minimizer has W W^T = U_k (Lambda_k - eps) U_k^T,
    eps sqrt(k) from the truncation S_k, which minimizes the loss without smoothing. L-BFGS from factors with entries N(0, 1/n).

    The loss is |W|^2 - 2 |S^{1/2} W|_* up to a constant; the nuclear norm is convex with curvature up to 1/sigma_min, so that the
    Hessian is at most 2 and its smallest eigenvalue falls like -1/delta at sigma_min(W) = delta.

    Scores: `gap_slope`, the exponent in eps of |W W^T - S_k|_F; `gap_error`, the largest |gap/(eps sqrt(k)) - 1|; `loss_slope`,
    the exponent of |loss at that minimizer - minimum| (2: the minimizer moves by O(eps) from a minimum); `value_slope`,
    the exponent of the minimum minus the smoothed minimum (1/2, from the n - k directions outside of the range of W);
    `curvature_slope`, the exponent in delta of the largest |eigenvalue| of the Hessian at a random W with singular values
    1 and delta, and `curvature_top`, its largest eigenvalue; `smoothed_slope` with smoothing of the largest eps,
    `frobenius_slope` of |S - W W^T|^2/4, and `frobenius_distance` of the minimizer of that loss to S_k.

    Source: Bréchet, Papagiannouli, An and Montúfar, Critical points and convergence analysis of generative deep linear networks
    trained with Bures-Wasserstein loss, 2023: the perturbed loss and the Hessian at low rank. Exponents: own derivation.
    """

    depth: int = 1
    rank: int = 2
    n: int = 8
    epsilons: tuple[float, ...] = (1e-2, 1e-3, 1e-4, 1e-5)
    deltas: tuple[float, ...] = (1e-2, 1e-3, 1e-4)
    steps: int = 1000

    def measure(self, run: Run) -> Scores:
        """One covariance: minimizations at each eps, and Hessians at each delta."""
        values = torch.linspace(2, 0.25, self.n, dtype=torch.float64)
        frame = torch.from_numpy(orthonormal(run.numpy, self.n, self.n))
        root = frame * values.sqrt() @ frame.T
        best = frame[:, : self.rank] * values[: self.rank] @ frame[:, : self.rank].T
        widths = [self.n] * self.depth + [self.rank]
        start = [
            torch.randn(a, b, generator=run.generator, dtype=torch.float64) / self.n**0.5
            for a, b in itertools.pairwise(widths)
        ]
        scores = self._minimizers(root, start, best, float(values[self.rank :].sum()))
        frobenius = minimized(start, lambda w: _frobenius(root, w), self.steps)
        scores["frobenius_distance"] = float((frobenius @ frobenius.T - best).norm())
        return Scores(scores | self._curvatures(root, run))

    def _minimizers(self, root: Square, start: list[Tensor], best: Square, minimum: float) -> dict[str, float]:
        """Exponents in eps."""
        gaps, losses, moved = [], [], []
        for epsilon in self.epsilons:
            w = minimized(start, lambda w, epsilon=epsilon: smoothed_loss(root, w, epsilon), self.steps)  # type: ignore[misc]
            gaps.append(float((w @ w.T - best).norm()))
            losses.append(abs(float(bures_wasserstein(root, w)) - minimum))
            moved.append(minimum - float(smoothed_loss(root, w, epsilon)))
        expected = [epsilon * self.rank**0.5 for epsilon in self.epsilons]
        resolved = [at for at, loss in enumerate(losses) if loss > 1e-11]  # rounding is 1e-15
        return {
            "gap_slope": _slope(self.epsilons, gaps),
            "gap_error": max(abs(gap / size - 1) for gap, size in zip(gaps, expected, strict=True)),
            "loss_slope": _slope(tuple(self.epsilons[at] for at in resolved), [losses[at] for at in resolved]),
            "value_slope": _slope(self.epsilons, moved),
        }

    def _curvatures(self, root: Square, run: Run) -> dict[str, float]:
        """Exponents in delta."""
        left, right = (torch.from_numpy(orthonormal(run.numpy, size, self.rank)) for size in (self.n, self.rank))
        losses: dict[str, Loss] = {
            "curvature": lambda w: bures_wasserstein(root, w),
            "smoothed": lambda w: smoothed_loss(root, w, max(self.epsilons)),
            "frobenius": lambda w: _frobenius(root, w),
        }
        sizes: dict[str, list[float]] = {name: [] for name in losses}
        top = -float("inf")
        for delta in self.deltas:
            w = left * torch.tensor([1.0] * (self.rank - 1) + [delta], dtype=torch.float64) @ right.T
            for name, loss in losses.items():
                low, high = extreme_curvatures(loss, w)
                sizes[name].append(max(-low, high))
                top = max(top, high) if name == "curvature" else top
        return {f"{name}_slope": _slope(self.deltas, size) for name, size in sizes.items()} | {"curvature_top": top}
