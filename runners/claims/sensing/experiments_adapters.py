"""Adapters W_0 + A A' and W_0 + B A: their limits, their symmetries, and how the best learning rate scales with the width."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.runners.claims.sensing.relative import relative_loss
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.truth import orthonormal

__all__ = ["AdapterInvariance", "SymmetricLimit", "WidthScaling", "lora", "singlora", "singlora_limit"]

Matrix = Float[ndarray, "row column"]
Factor = Float[ndarray, "row rank"]

_Iterate = TypeVar("_Iterate")


def singlora(
    change: Matrix, factor: Float[ndarray, "column rank"], step: float, steps: int, ramp: int
) -> Iterator[Float[ndarray, "column rank"]]:
    """A in each step of gradient descent on |u A* A' - D|^2/2, A* the first rows of A, u(t) = min(t/ramp, 1), t = 1 .. steps.

    D = W* - W_0 has no more rows than columns. Gradient u (E' A* + [E A; 0]) with E = u A* A' - D; for a square D it is
    u (E + E') A.
    """
    short = len(change)
    for t in range(1, steps + 1):
        u = min(t / ramp, 1.0)
        error = u * factor[:short] @ factor.T - change
        gradient = error.T @ factor[:short]
        gradient[:short] += error @ factor
        factor = factor - step * u * gradient
        yield factor


def lora(
    change: Matrix, b: Factor, a: Float[ndarray, "rank column"], step: float, steps: int
) -> Iterator[tuple[Factor, Float[ndarray, "rank column"]]]:
    """B and A in each step of gradient descent on |B A - D|^2/2."""
    for _ in range(steps):
        error = step * (b @ a - change)
        b, a = b - error @ a.T, a - b.T @ error
        yield b, a


def _last(iterates: Iterator[_Iterate]) -> _Iterate:
    return deque(iterates, maxlen=1)[0]


def singlora_limit(change: Matrix, rank: int) -> float:
    """min |A A' - D|^2 over A of this rank: |K|^2 + sum l_i^2 - sum_{i <= r} max(l_i, 0)^2, D = S + K symmetric and skew.

    l_i: eigenvalues of S in descending order.
    """
    values = np.linalg.eigvalsh((change + change.T) / 2)[::-1]
    skew = (change - change.T) / 2
    return float(np.sum(skew**2) + np.sum(values**2) - np.sum(np.maximum(values[:rank], 0) ** 2))


@dataclass(frozen=True)
class SymmetricLimit:
    """SingLoRA, W_0 + u A A', reaches the best positive semidefinite change of its rank, and no more.

    D = W* - W_0 ~ N(0, 1), drawn again while |l_r - l_{r+1}| < `distance` (descent converges like e^{-2 step (l_r - l_{r+1}) t}).
    Start A ~ N(0, 1/n), alpha = r. Scores, losses over |D|^2: `off`, |loss - limit|; `loss`; `lora` and `tail`, of B A and of the
    truncated SVD; `psd` and `psd_lora` where D = F F'/sqrt(n), F ~ N(0, 1) of the adapter's rank; `flipped`, where D is the
    negative of that; `rectangular` and `rectangular_tail` for n/2 x n.
    Source: Bensaid, Rotstein, Velich, Bensaid and Kimmel, SingLoRA, 2025, for the adapter; the limit is derived.
    """

    n: int = 32
    rank: int = 4
    step: float = 0.01
    steps: int = 3000
    ramp: int = 150
    distance: float = 0.2

    def measure(self, run: Run) -> Scores:
        """All targets, from one start for each adapter."""
        rng, n, r = run.numpy, self.n, self.rank
        change = self._change(rng)
        root = rng.standard_normal((n, r))
        psd = root @ root.T / n**0.5
        factor, a = rng.standard_normal((n, r)) / n**0.5, rng.standard_normal((r, n)) / n**0.5
        losses = {}
        for name, target in (("loss", change), ("psd", psd), ("flipped", -psd), ("rectangular", change[: n // 2])):
            end = _last(singlora(target, factor, self.step, self.steps, self.ramp))
            losses[name] = relative_loss(end[: len(target)] @ end.T, target)
        for name, target in (("lora", change), ("psd_lora", psd)):
            left, right = _last(lora(target, np.zeros((n, r)), a, self.step, self.steps))
            losses[name] = relative_loss(left @ right, target)
        limit = singlora_limit(change, r) / float(np.sum(change**2))
        tails = {"tail": _tail(change, r), "rectangular_tail": _tail(change[: n // 2], r)}
        return Scores(losses | tails | {"off": abs(losses["loss"] - limit)})

    def _change(self, rng: np.random.Generator) -> Matrix:
        while True:
            change = rng.standard_normal((self.n, self.n))
            values = np.linalg.eigvalsh((change + change.T) / 2)[::-1]
            if values[self.rank - 1] - values[self.rank] >= self.distance:
                return change


def _tail(change: Matrix, rank: int) -> float:
    values = np.linalg.svd(change, compute_uv=False)
    return float(np.sum(values[rank:] ** 2) / np.sum(values**2))


@dataclass(frozen=True)
class AdapterInvariance:
    """Gradient descent on A A' does not depend on which A stands for the start; that on B A does.

    A and A Q, Q orthogonal, keep equal products: the gradient is (G + G') A. (B, A) and (`factor` B, A/`factor`) do not. D ~
    N(0, 1). Scores: `singlora` and `lora`, the largest |difference of the products| over |product| in `steps` steps.
    Source: Bensaid, Rotstein, Velich, Bensaid and Kimmel, SingLoRA, 2025, theorems 2 and 3.
    """

    n: int = 32
    rank: int = 4
    factor: float = 3.0
    step: float = 0.01
    steps: int = 200
    ramp: int = 10

    def measure(self, run: Run) -> Scores:
        """Each adapter from two starts with the same product."""
        rng, n, r = run.numpy, self.n, self.rank
        change = rng.standard_normal((n, n))
        a, b = rng.standard_normal((2, n, r)) / n**0.5
        turned = a @ orthonormal(rng, r, r)
        single = [
            [end @ end.T for end in singlora(change, start, self.step, self.steps, self.ramp)] for start in (a, turned)
        ]
        double = [
            [x @ y for x, y in lora(change, scale * b, a.T / scale, self.step, self.steps)]
            for scale in (1.0, self.factor)
        ]
        return Scores({"singlora": _difference(*single), "lora": _difference(*double)})


def _difference(first: list[Matrix], second: list[Matrix]) -> float:
    """The largest relative difference of two paths."""
    pairs = zip(first, second, strict=True)
    return max(float(np.linalg.norm(b - a) / np.linalg.norm(a)) for a, b in pairs)


@dataclass(frozen=True)
class WidthScaling:
    """The exponent in n of the best learning rate of |f - y|^2/2, f = u a a'x (singlora) or b a'x (lora), one sample.

    x, y ~ N(0, I_n) with y'x > 0 (else a a'x = y has no solution), a ~ N(0, 1/n), b = 0, u(t) = min(t/ramp, 1); `lora_plus`
    learns a at the rate over n. Rates on a grid of factors 10^{1/8}. The paper claims -1/2 for singlora. Against it: the Jacobian
    (a'x) I + a x' has the squared norm |a|^2 |x|^2 ~ n at the start and |x|^2 |y|^2/(x'y) >= |x| |y| ~ n at the solution, so a
    rate above about 2/n diverges. Scores: `exponent` by least squares of logarithms, `loss_n` = |f - y|^2/|y|^2 at the best rate.
    Source: Bensaid, Rotstein, Velich, Bensaid and Kimmel, SingLoRA, 2025, section on stable learning.
    """

    adapter: Literal["singlora", "lora", "lora_plus"] = "singlora"
    widths: tuple[int, ...] = (64, 256, 1024, 4096)
    steps: int = 60
    ramp: int = 10
    rates: tuple[float, float] = (1e-6, 10.0)

    def measure(self, run: Run) -> Scores:
        """All rates at once, width by width."""
        count = round(8 * np.log10(self.rates[1] / self.rates[0])) + 1
        rates = np.geomspace(*self.rates, count)
        best, losses = [], {}
        for n in self.widths:
            ends = self._losses(run.numpy, n, rates)
            best.append(rates[np.argmin(ends)])
            losses[f"loss_{n}"] = float(ends.min())
        exponent = np.polyfit(np.log(self.widths), np.log(best), 1)[0]
        return Scores({"exponent": float(exponent)} | losses)

    def _losses(self, rng: np.random.Generator, n: int, rates: Float[ndarray, " rate"]) -> Float[ndarray, " rate"]:
        """The loss at the end for each rate; infinite where the descent diverges."""
        x, y = rng.standard_normal((2, n))
        y = y * np.sign(x @ y)
        a, rate = np.tile(rng.standard_normal(n) / n**0.5, (len(rates), 1)), rates[:, None]
        b = np.zeros_like(a)
        with np.errstate(over="ignore", invalid="ignore"):
            for t in range(1, self.steps + 1):
                along = (a @ x)[:, None]
                if self.adapter == "singlora":
                    u = min(t / self.ramp, 1.0)
                    error = u * along * a - y
                    a = a - rate * u * (along * error + np.sum(error * a, axis=1, keepdims=True) * x)
                else:
                    error = along * b - y
                    slow = rate / n if self.adapter == "lora_plus" else rate
                    b, a = b - rate * along * error, a - slow * np.sum(error * b, axis=1, keepdims=True) * x
            answer = (a if self.adapter == "singlora" else b) * (a @ x)[:, None]
            loss = np.sum((answer - y) ** 2, axis=1) / np.sum(y**2)
        return np.where(np.isfinite(loss), loss, np.inf)
