"""World models learned in one pass over a stream of pairs, which is sorted or shuffled: what is forgotten."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import cho_factor, cho_solve, solve
from torch import Tensor

from dynamark.tasks.base import Scores
from dynamark.tasks.koopman.systems import ODE, box, pendulum
from dynamark.tasks.problems import Run

__all__ = ["RandomFeatureStream", "SparseEncoding", "SparseStream"]


def pendulum_pairs(rng: np.random.Generator, count: int) -> tuple[Float[ndarray, "pair 2"], Float[ndarray, "pair 2"]]:
    """States (q, q') uniform in [-2, 2]^2 and their increments over 0.5 on the pendulum q'' = -sin q."""
    states = box((-2.0, -2.0), (2.0, 2.0))(rng, count)
    return states, ODE(pendulum(), 5)(states, 0.5, 1)[:, 1] - states


@dataclass(frozen=True)
class RandomFeatureStream:
    """Recursive least squares on D random Fourier features, and a network, in one pass over pairs sorted by angle or shuffled.

    phi(x) = sqrt(2/D) cos(W x + b), W ~ N(0, I), b uniform; P_0 = 10^6 I, blocks of ten pairs by Woodbury's identity:
    P <- P - P Phi^T (I + Phi P Phi^T)^{-1} Phi P, w <- w + P Phi^T (y - Phi w). The network has two layers of 64 tanh units and
    takes `updates` steps of Adam, rate 1e-3, on each block. Scores: `gap`, the largest difference of a prediction to that of
    batch ridge regression with 10^{-6}, over both orders; `rls_ratio` and `network_ratio`, test mean square errors, sorted over
    shuffled; `rls` and `network`, the errors on the sorted stream.
    Source: Liu, Du, Lee and Lin, Locality sensitive sparse encoding, 2024, section 5: neural networks forget.
    """

    pairs: int = 6000
    features: int = 400
    block: int = 10
    updates: int = 3

    def measure(self, run: Run) -> Scores:
        """Both models read the same two streams."""
        x, y = pendulum_pairs(run.numpy, self.pairs)
        test, truth = pendulum_pairs(run.numpy, 2000)
        weights, phase = run.numpy.standard_normal((2, self.features)), run.numpy.uniform(0, 2 * np.pi, self.features)

        def lift(states: ndarray) -> ndarray:
            return np.asarray(np.sqrt(2 / self.features) * np.cos(states @ weights + phase))

        phi, at_test = lift(x), lift(test)
        ridge = solve(phi.T @ phi + 1e-6 * np.eye(self.features), phi.T @ y, assume_a="pos")
        streams = [np.argsort(x[:, 0]), run.numpy.permutation(self.pairs)]
        answers = [at_test @ self._recursive(phi[order], y[order]) for order in streams]
        sorted_rls, shuffled_rls = (float(np.mean(np.square(answer - truth))) for answer in answers)
        network = self._networks(
            run, np.stack([x[order] for order in streams]), np.stack([y[order] for order in streams]), test
        )
        sorted_network, shuffled_network = np.mean(np.square(network - truth), axis=(1, 2))
        return Scores(
            {
                "gap": float(np.abs(np.stack(answers) - at_test @ ridge).max()),
                "rls": sorted_rls,
                "rls_ratio": sorted_rls / shuffled_rls,
                "network": float(sorted_network),
                "network_ratio": float(sorted_network / shuffled_network),
            }
        )

    def _recursive(
        self, phi: Float[ndarray, "pair feature"], y: Float[ndarray, "pair dim"]
    ) -> Float[ndarray, "feature dim"]:
        p, w = 1e6 * np.eye(self.features), np.zeros((self.features, y.shape[1]))
        for start in range(0, len(phi), self.block):
            rows = phi[start : start + self.block]
            gain = np.linalg.solve(np.eye(len(rows)) + rows @ p @ rows.T, rows @ p).T
            w = w + gain @ (y[start : start + self.block] - rows @ w)
            p = p - gain @ (rows @ p)
            p = (p + p.T) / 2
        return w

    def _networks(
        self,
        run: Run,
        x: Float[ndarray, "stream pair 2"],
        y: Float[ndarray, "stream pair 2"],
        test: Float[ndarray, "state 2"],
    ) -> Float[ndarray, "stream state 2"]:
        """The predictions of one network a stream; both start alike."""
        parameters: list[Tensor] = []
        for inputs, outputs in ((2, 64), (64, 64), (64, 2)):
            for rows in (inputs, 1):
                draws = torch.rand(rows, outputs, generator=run.generator, dtype=torch.float64)
                parameters.append(((2 * draws - 1) / inputs**0.5).repeat(len(x), 1, 1).requires_grad_())

        def predict(states: Tensor) -> Tensor:
            for layer in (0, 2):
                states = torch.tanh(torch.baddbmm(parameters[layer + 1], states, parameters[layer]))
            return torch.baddbmm(parameters[5], states, parameters[4])

        optimizer = torch.optim.Adam(parameters, 1e-3)
        states, targets = torch.from_numpy(x), torch.from_numpy(y)
        for start in range(0, self.pairs, self.block):
            part = slice(start, start + self.block)
            for _ in range(self.updates):
                optimizer.zero_grad()
                loss = (predict(states[:, part]) - targets[:, part]).square().mean((1, 2)).sum()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        with torch.no_grad():
            return np.asarray(predict(torch.from_numpy(test).expand(len(x), -1, -1)).numpy())


class SparseEncoding:
    """Losse: a state x goes to sigmoid(P_f x) in the unit square for each of F projections, and there, bilinearly, to the four
    nearest centers of b x b bins (and of a margin of one bin): F (b + 2)^2 features, 4 F of which are not zero.
    """

    def __init__(self, rng: np.random.Generator, dim: int, projections: int, bins: int) -> None:
        draws = rng.standard_normal((64 * projections * 2 * dim,))
        entries = draws[np.abs(draws) < 2][
            : projections * 2 * dim
        ]  # a normal law, truncated at two standard deviations
        self._matrix = entries.reshape(projections, 2, dim) / dim**0.5
        self._bins = bins
        self.size = projections * (bins + 2) ** 2

    def __call__(self, x: Float[ndarray, "state dim"]) -> tuple[ndarray, Float[ndarray, "state active"]]:
        """The places of the features that are not zero, and their values [state, 4 F]."""
        place = self._bins / (1 + np.exp(-np.einsum("fkd,nd->nfk", self._matrix, x))) + 0.5
        low = np.floor(place).astype(int)
        share = place - low
        side = self._bins + 2
        base = np.arange(len(self._matrix)) * side**2 + low[..., 0] * side + low[..., 1]
        corners = [(i, j) for i in (0, 1) for j in (0, 1)]
        places = np.stack([base + i * side + j for i, j in corners], axis=-1)
        values = np.stack([np.abs(1 - i - share[..., 0]) * np.abs(1 - j - share[..., 1]) for i, j in corners], axis=-1)
        return places.reshape(len(x), -1), values.reshape(len(x), -1)

    def dense(self, x: Float[ndarray, "state dim"]) -> Float[ndarray, "state feature"]:
        """The features of these states as a dense matrix, zeros included."""
        places, values = self(x)
        features = np.zeros((len(x), self.size))
        np.put_along_axis(features, places, values, axis=1)
        return features


@dataclass(frozen=True)
class SparseStream:
    """One pass of block updates on the sparse encoding, over pairs of the pendulum sorted by angle or shuffled.

    S and T sum phi phi^T and phi y^T of the n pairs so far; of the weights only those of the features i that are not zero at
    the newest pair move: (S_ii/n + ridge I) w_i = (T_i - S_i. w + S_ii w_i)/n. `forgotten`: S, T and n decay by 0.99 a pair.
    Scores, test mean square errors: `sorted`, `shuffled`, `exact` (ridge regression on all pairs), `forgotten` (sorted);
    quotients `sorted_over_shuffled`, `sorted_over_exact`, `shuffled_over_exact`, `forgotten_over_sorted`; `distance`,
    |w - w_exact|/|w_exact| of the sorted stream.
    Source: Liu, Du, Lee and Lin 2024, section 4.
    """

    pairs: int = 2000
    projections: int = 50
    bins: int = 5
    ridge: float = 1e-5

    def measure(self, run: Run) -> Scores:
        """Draw one encoding and one set of pairs, and learn from the pairs in several orders."""
        x, y = pendulum_pairs(run.numpy, self.pairs)
        test, truth = pendulum_pairs(run.numpy, 2000)
        encoding = SparseEncoding(run.numpy, 2, self.projections, self.bins)
        ordered, shuffled = np.argsort(x[:, 0]), run.numpy.permutation(self.pairs)
        phi, at_test = encoding.dense(x), encoding.dense(test)
        gram = phi.T @ phi / self.pairs + self.ridge * np.eye(encoding.size)
        weights = {
            "exact": solve(gram, phi.T @ y / self.pairs, assume_a="pos"),
            "sorted": self.stream(encoding, x[ordered], y[ordered], 1.0),
            "shuffled": self.stream(encoding, x[shuffled], y[shuffled], 1.0),
            "forgotten": self.stream(encoding, x[ordered], y[ordered], 0.99),
        }
        errors = {name: float(np.mean(np.square(at_test @ w - truth))) for name, w in weights.items()}
        pairs = (("sorted", "shuffled"), ("sorted", "exact"), ("shuffled", "exact"), ("forgotten", "sorted"))
        quotients = {f"{over}_over_{under}": errors[over] / errors[under] for over, under in pairs}
        apart = float(np.linalg.norm(weights["sorted"] - weights["exact"]) / np.linalg.norm(weights["exact"]))
        return Scores(errors | quotients | {"distance": apart})

    def stream(
        self, encoding: SparseEncoding, x: Float[ndarray, "pair dim"], y: Float[ndarray, "pair dim"], decay: float
    ) -> Float[ndarray, "feature dim"]:
        """The weights after one pass."""
        places, values = encoding(x)
        s, t = np.zeros((encoding.size, encoding.size)), np.zeros((encoding.size, y.shape[1]))
        w, n = np.zeros_like(t), 0.0
        lazy = 1.0  # the decay so far: S and T are kept divided by it
        ridge = self.ridge * np.eye(places.shape[1])
        for active, phi, target in zip(places, values, y, strict=True):
            lazy, n = lazy * decay, n * decay + 1
            block = np.ix_(active, active)
            s[block] += np.outer(phi, phi) / lazy
            t[active] += np.outer(phi, target) / lazy
            rows = s[active]
            own = rows[:, active]
            rest = t[active] - rows @ w + own @ w[active]
            factor = cho_factor(own * (lazy / n) + ridge, overwrite_a=True, check_finite=False)
            w[active] = cho_solve(factor, rest * (lazy / n), check_finite=False)
        return w
