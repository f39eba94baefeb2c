"""Spiked tensors, plain and nested: what an unfolding sees of the spike, and what the tensor power method sees."""

from __future__ import annotations

from dataclasses import dataclass
from math import erf

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["NestedSpike", "PlainSpike", "finite_alignment", "nested_alignment", "plain_alignment"]

Tensor3 = Float[ndarray, "a b c"]
Vector = Float[ndarray, " n"]


def plain_alignment(strength: float, aspect: float) -> float:
    """1 - (1 + rho sqrt c)/(rho (rho + sqrt c)), c = n_i^2/(n_1 n_2 n_3), for rho > 1, else 0: 1 - rho^{-2} as c -> 0.

    Source: Benaych-Georges and Nadakuditi 2012, section 3.1, for the unfolding of mode i of a spike of strength rho.
    """
    root = aspect**0.5
    return 1 - (1 + strength * root) / (strength * (strength + root)) if strength > 1 else 0.0


def nested_alignment(strength: float, matrix: float, shares: tuple[float, float, float]) -> float:
    """zeta = 1 - [(rho b^2/a_2)^2 + rho c_2 a_1/(1 - c_3)]/(a_2 rho b^2) where positive, else 0; b = beta_M, c_i = n_i/n_T.

    a_i = rho c_i/(1 - c_3) + rho b^2. Source: Lebeau, Seddik and Goulart 2024, theorem 2 (formulas of the authors' notebooks).
    """
    c1, c2, c3 = shares
    signal = strength * matrix**2
    a1, a2 = (strength * c / (1 - c3) + signal for c in (c1, c2))
    return max(0.0, 1 - ((signal / a2) ** 2 + strength * c2 * a1 / (1 - c3)) / (a2 * signal))


def finite_alignment(strength: float, matrix: float, shape: tuple[int, int, int]) -> float:
    """The alignment of the unfolding at this size, with the noise that the limit leaves out, which falls like n^{-1/4}.

    Turned in its columns, the unfolding is [b y x^T + s G | W/sqrt n_T]: b = beta_T beta_M, s^2 = beta_T^2/n_M + 1/n_T for n_1
    columns and 1/n_T for n_1 (n_3 - 1). With m = 1/(-l + sum_j s_j^2/(1 + n_2 s_j^2 m)) the outlier solves D(l) = l m m_x =
    b^{-2}, m_x = -1/(l (1 + n_2 s^2 m)); the alignment is m/(b^2 D'(l)). 0 where there is no outlier.
    Source: Benaych-Georges and Nadakuditi 2012, theorems 2.8 and 2.9, with a profile of variances.
    """
    n1, n2, n3 = shape
    beta = strength * np.sqrt(float(n1 * n2 * n3)) / sum(shape)
    variances = np.array([beta / (n1 + n2) + 1 / sum(shape), 1 / sum(shape)])
    counts = np.array([n1, n1 * (n3 - 1)])

    def at(m: float) -> tuple[float, float]:
        """l and D(l), both as functions of m < 0: l = -1/m + sum_j s_j^2/(1 + n_2 s_j^2 m)."""
        place = -1 / m + float((counts * variances / (1 + n2 * variances * m)).sum())
        return place, -m / (1 + n2 * variances[0] * m)

    # From m = 0 (l infinite) down to the edge of the noise, where dl/dm = 0; D grows on the way.
    target, grid = 1 / (beta * matrix**2), -np.geomspace(1e-6, 1 / (n2 * variances[0]), 20_001)[:-1]
    places = -1 / grid + (counts * variances / (1 + n2 * variances * grid[:, None])).sum(axis=1)
    outside = grid[: int(np.argmin(places)) + 1]
    values = -outside / (1 + n2 * variances[0] * outside)
    if values[-1] < target:
        return 0.0
    m = float(np.interp(target, values, outside))
    (low, below), (high, above) = at(m * (1 - 1e-5)), at(m * (1 + 1e-5))
    return float(m * target * (high - low) / (above - below))


def _unit(rng: np.random.Generator, n: int) -> Vector:
    drawn = rng.standard_normal(n)
    return drawn / np.linalg.norm(drawn)


def _leading(tensor: ndarray, mode: int) -> ndarray:
    """The dominant left singular vector of the unfolding of a mode [n]."""
    unfolded = np.moveaxis(tensor, mode, 0).reshape(tensor.shape[mode], -1)
    return np.asarray(np.linalg.eigh(unfolded @ unfolded.T)[1][:, -1])


def _power(tensor: ndarray, steps: int) -> list[ndarray]:
    """The rank-one approximation by alternating contractions, from the dominant vectors of the unfoldings."""
    vectors = [_leading(tensor, mode) for mode in range(3)]
    for _ in range(steps):
        for mode in range(3):
            first, second = (vectors[j] for j in range(3) if j != mode)
            moved = np.moveaxis(tensor, mode, 0) @ second @ first
            vectors[mode] = moved / np.linalg.norm(moved)
    return vectors


@dataclass(frozen=True)
class PlainSpike:
    """T = beta x (x) y (x) z + W/sqrt n_T: the unfoldings see the spike above rho = beta^2 n_T/sqrt(n_1 n_2 n_3) = 1.

    Unit x, y, z, Gaussian W, n_T = n_1 + n_2 + n_3; squared alignments, the mean over modes and draws. Scores for each rho:
    `unfolding_rho` and `tensor_rho` (the power method started there); `deviation`, the mean |unfolding - `plain_alignment`|
    over rho >= 1.5, and `largest_deviation`; `gain`, the least tensor - unfolding at rho = 1.2 and 1.5; `below`, the
    unfolding at rho = 0.5.
    Source: Lebeau, Seddik and Goulart 2024, the case of no matrix noise; the finite oracle is that of a spiked matrix.
    """

    shape: tuple[int, int, int] = (50, 60, 70)
    strengths: tuple[float, ...] = (0.5, 1.2, 1.5, 2.0, 3.0, 5.0)
    draws: int = 6
    iterations: int = 60

    def measure(self, run: Run) -> Scores:
        """The same noise for all strengths of a draw."""
        total, volume = sum(self.shape), float(np.prod(self.shape))
        seen = np.zeros((2, len(self.strengths)))
        for _ in range(self.draws):
            spike = [_unit(run.numpy, n) for n in self.shape]
            noise = run.numpy.standard_normal(self.shape) / np.sqrt(total)
            rank_one = np.einsum("i,j,k->ijk", *spike)
            for place, rho in enumerate(self.strengths):
                tensor = np.sqrt(rho * np.sqrt(volume) / total) * rank_one + noise
                for row, vectors in enumerate(
                    ([_leading(tensor, mode) for mode in range(3)], _power(tensor, self.iterations))
                ):
                    squares = [float(a @ b) ** 2 for a, b in zip(vectors, spike, strict=True)]
                    seen[row, place] += np.mean(squares) / self.draws
        predicted = [np.mean([plain_alignment(rho, n**2 / volume) for n in self.shape]) for rho in self.strengths]
        off = np.abs(seen[0] - predicted)[np.array(self.strengths) >= 1.5]
        by = {rho: k for k, rho in enumerate(self.strengths)}
        named = {
            f"{name}_{rho:g}": float(seen[row, k])
            for row, name in enumerate(("unfolding", "tensor"))
            for rho, k in by.items()
        }
        return Scores(
            {
                **named,
                "deviation": float(off.mean()),
                "largest_deviation": float(off.max()),
                "gain": float(min(seen[1, by[rho]] - seen[0, by[rho]] for rho in (1.2, 1.5))),
                "below": float(seen[0, by[0.5]]),
            }
        )


@dataclass(frozen=True)
class NestedSpike:
    """T = beta_T M (x) z + W/sqrt n_T, M = beta_M x y^T + Z/sqrt n_M: the unfolding of mode 2 sees y with zeta(rho, beta_M).

    rho = beta_T^2 n_T/sqrt(n_1 n_2 n_3), n_M = n_1 + n_2, unit x and z, y = +-1/sqrt n_2 (labels). Scores for each of `points`
    and `compared` (named by beta_M and rho), the means over `draws`: `alignment_...` with y squared and its prediction
    `zeta_...` (`nested_alignment`), `finite_...` (`finite_alignment`), `accuracy_...`, the share of labels by sign, and its
    prediction `labels_...` = Phi(sqrt(zeta/(1 - zeta))); `tensor_...`, the alignment of the power method, for `compared`.
    `mode_r`: the alignment with z of the unfolding of mode 3, 1 - r^{-2} for r = beta_T^2 n_T (n_1 n_2/n_M + beta_M^2)/sqrt(n_1
    n_2 n_3) > 1, at beta_M = 2.
    Source: Lebeau, Seddik and Goulart, Performance gaps in multi-view clustering under the nested matrix-tensor model, 2024.
    """

    shape: tuple[int, int, int] = (150, 100, 50)
    points: tuple[tuple[float, float], ...] = ((1.5, 2.0), (2.0, 1.0), (3.0, 1.0), (3.0, 3.0), (1.5, 0.8))
    compared: tuple[tuple[float, float], ...] = ((1.0, 1.0), (1.5, 0.8))
    modes: tuple[float, ...] = (0.5, 2.0, 4.0)
    draws: int = 5
    iterations: int = 60

    def measure(self, run: Run) -> Scores:
        """The same noise for all points of a draw."""
        # A worker gets pairs as lists.
        compared = [(matrix, rho) for matrix, rho in self.compared]
        every = tuple(dict.fromkeys([*((matrix, rho) for matrix, rho in self.points), *compared]))
        unfolding, accuracy, tensor = {}, {}, {}
        third = np.zeros(len(self.modes))
        samples = [self._draw(run.numpy) for _ in range(self.draws)]
        for point in every:
            tensors = [(sample, self._tensor(sample, *point)) for sample in samples]
            leading = [(sample["y"], _leading(t, 1)) for sample, t in tensors]
            unfolding[point] = float(np.mean([(y @ u) ** 2 for y, u in leading]))
            right = [np.mean(np.sign(u) == np.sign(y)) for y, u in leading]
            accuracy[point] = float(np.mean([max(r, 1 - r) for r in right]))
            if point in compared:
                powered = [(sample["y"] @ _power(t, self.iterations)[1]) ** 2 for sample, t in tensors]
                tensor[point] = float(np.mean(powered))
        for place, r in enumerate(self.modes):
            rho = r / (self.shape[0] * self.shape[1] / (self.shape[0] + self.shape[1]) + 4)
            third[place] = np.mean([(s["z"] @ _leading(self._tensor(s, 2.0, rho), 2)) ** 2 for s in samples])
        scores = {f"mode_{r:g}": float(value) for r, value in zip(self.modes, third, strict=True)}
        shares = tuple(n / sum(self.shape) for n in self.shape)
        for matrix, rho in every:
            zeta = nested_alignment(rho, matrix, shares)  # type: ignore[arg-type]  # three numbers
            name, labels = f"{matrix:g}_{rho:g}", 0.5 * (1 + erf(np.sqrt(zeta / (1 - zeta) / 2)))
            scores |= {f"alignment_{name}": unfolding[matrix, rho], f"accuracy_{name}": accuracy[matrix, rho]}
            scores |= {f"zeta_{name}": zeta, f"labels_{name}": labels}
            scores[f"finite_{name}"] = finite_alignment(rho, matrix, self.shape)
        scores |= {f"tensor_{matrix:g}_{rho:g}": value for (matrix, rho), value in tensor.items()}
        return Scores(scores)

    def _draw(self, rng: np.random.Generator) -> dict[str, ndarray]:
        n1, n2, n3 = self.shape
        labels = rng.choice([-1.0, 1.0], n2) / np.sqrt(n2)
        noise = rng.standard_normal(self.shape) / np.sqrt(sum(self.shape))
        matrix = rng.standard_normal((n1, n2)) / np.sqrt(n1 + n2)
        return {"x": _unit(rng, n1), "y": labels, "z": _unit(rng, n3), "noise": noise, "matrix": matrix}

    def _tensor(self, sample: dict[str, ndarray], matrix: float, rho: float) -> ndarray:
        beta = np.sqrt(rho * np.sqrt(float(np.prod(self.shape))) / sum(self.shape))
        inner = matrix * np.outer(sample["x"], sample["y"]) + sample["matrix"]
        return np.asarray(beta * inner[:, :, None] * sample["z"] + sample["noise"])
