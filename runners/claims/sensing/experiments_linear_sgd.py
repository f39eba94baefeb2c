"""Stochastic gradient descent of a linear student on fresh batches: its exact fluctuations, its edge, and what they hide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["LinearSGD", "SGDEdge", "SpikeInNoise", "edge", "spike_alignment", "stationary_variance"]


def stationary_variance(rate: float, batch: int, inputs: int, noise: float = 1.0) -> float:
    """v = eta s^2/(B (2 - eta (1 + (d + 1)/B))): the variance of each entry of W - W*.

    From E = W - W*, E <- E (I - eta M) + (eta/B) s xi^T x, M = x^T x/B, and E[M^2] = (1 + (d + 1)/B) I for x ~ N(0, I).
    """
    return rate * noise**2 / (batch * (2 - rate * (1 + (inputs + 1) / batch)))


def edge(batch: int, inputs: int) -> float:
    """eta_c = 2 B/(B + d + 1), the step size from which the mean square diverges."""
    return 2 * batch / (batch + inputs + 1)


def spike_alignment(strength: float, aspect: float) -> float:
    """<u, u^>^2 = 1 - c (1 + y^2)/(y^2 (y^2 + c)) where y^4 > c, else 0, c = p/d.

    u^ is the leading left singular vector of y u v^T + noise of variance 1/d, p x d.

    Source: Benaych-Georges and Nadakuditi 2012, section 3.1.
    """
    square = strength**2
    return 1 - aspect * (1 + square) / (square * (square + aspect)) if square**2 > aspect else 0.0


def _step(rng: np.random.Generator, error: ndarray, rate: float, batch: int, noise: float) -> ndarray:
    """W - W* [output, input] after one batch: E <- E - (eta/B) (E x^T - s xi^T) x, x [batch, input] ~ N(0, 1)."""
    x = rng.standard_normal((batch, error.shape[1]))
    residual = error @ x.T - noise * rng.standard_normal((len(error), batch))
    return np.asarray(error - (rate / batch) * residual @ x)


@dataclass(frozen=True)
class LinearSGD:
    """The stationary variance v of `stationary_variance` at several step sizes and batch sizes, the same formula in all.

    y = W* x + xi, W* p x d, batches of B fresh samples; the mean of (W - W*)^2 over entries and `steps` steps after `burn`.
    Scores: `low` and `high`, the extremes of the measured over the predicted variance over `settings`; `naive`, the measured
    over the prediction with d + 1 replaced by 0 at eta = 0.1, B = 4; `slope` of log v in log eta over `scaling` at B = 16;
    `bend`, the same between eta = 0.02 and 0.1 at B = 4; `unequal`, the largest relative difference of v at equal eta/B =
    0.0125 and B = 4, 8, 16.
    Source of the question: Park, Lucini and Aarts 2025; the network that can be solved is of our own.
    """

    outputs: int = 30
    inputs: int = 40
    settings: tuple[tuple[float, int], ...] = ((0.02, 4), (0.1, 4), (0.05, 4), (0.1, 8), (0.2, 16), (0.1, 16))
    scaling: tuple[float, ...] = (0.005, 0.01, 0.02)
    burn: int = 1000
    steps: int = 2000

    def measure(self, run: Run) -> Scores:
        """One long run for each pair of step size and batch size."""
        # A worker gets pairs as lists.
        measured = {(rate, batch): self._variance(run.numpy, rate, batch) for rate, batch in self.settings}
        relative = [v / stationary_variance(*setting, self.inputs) for setting, v in measured.items()]
        scaled = [self._variance(run.numpy, rate, 16) for rate in self.scaling]
        few, middle, many = (measured[setting] for setting in ((0.05, 4), (0.1, 8), (0.2, 16)))
        return Scores(
            {
                "low": min(relative),
                "high": max(relative),
                "naive": measured[0.1, 4] / stationary_variance(0.1, 4, -1),
                "slope": float(np.polyfit(np.log(self.scaling), np.log(scaled), 1)[0]),
                "bend": float(np.log(measured[0.1, 4] / measured[0.02, 4]) / np.log(5)),
                "unequal": max(few, middle, many) / min(few, middle, many) - 1,
            }
        )

    def _variance(self, rng: np.random.Generator, rate: float, batch: int) -> float:
        error, total = np.zeros((self.outputs, self.inputs)), 0.0
        for step in range(self.burn + self.steps):
            error = _step(rng, error, rate, batch, 1.0)
            if step >= self.burn:
                total += float(np.vdot(error, error))
        return total / (self.steps * error.size)


@dataclass(frozen=True)
class SGDEdge:
    """|W - W*|^2/(p d) stays bounded at 0.95 eta_c and diverges at 1.05 eta_c, eta_c = 2 B/(B + d + 1).

    Scores, over `batches`: `bounded`, the largest mean square of a run at 0.95 eta_c; `diverged`, the smallest of the largest
    mean squares of runs at 1.05 eta_c; `full_batch`, the mean square of gradient descent on the population loss at 1.05 eta_c
    in the end, and `full_batch_edge`, the same at 2.1, 1.05 times its own edge.
    Source: as for `LinearSGD`.
    """

    outputs: int = 30
    inputs: int = 40
    batches: tuple[int, ...] = (4, 16)
    steps: int = 2000

    def measure(self, run: Run) -> Scores:
        """Runs on both sides of the edge, from W - W* with entries N(0, 1)."""
        below, above, full = [], [], []
        for batch in self.batches:
            critical = edge(batch, self.inputs)
            start = run.numpy.standard_normal((self.outputs, self.inputs))
            below.append(self._peak(run.numpy, start, 0.95 * critical, batch))
            above.append(self._peak(run.numpy, start, 1.05 * critical, batch))
            full.append((1 - 1.05 * critical) ** (2 * self.steps))
        return Scores(
            {
                "bounded": max(below),
                "diverged": min(above),
                "full_batch": max(full),
                "full_batch_edge": (1 - 2.1) ** (2.0 * self.steps),
            }
        )

    def _peak(self, rng: np.random.Generator, error: ndarray, rate: float, batch: int) -> float:
        """The largest mean square; a run ends at 1e12."""
        peak = 0.0
        for _ in range(self.steps):
            error = _step(rng, error, rate, batch, 1.0)
            peak = max(peak, float(np.vdot(error, error)) / error.size)
            if peak > 1e12:
                break
        return peak


@dataclass(frozen=True)
class SpikeInNoise:
    """The noise of SGD hides a direction of the teacher of singular value below theta_c = c^{1/4} sqrt(v d), c = p/d.

    Teacher theta u v^T with theta = `strengths` times theta_c, eta = 0.1, B = 8. Scores: `off`, the largest |measured -
    predicted| alignment <u, u^>^2 (`spike_alignment`) of strengths above 1, u^ the leading left singular vector of W, its
    square averaged over the run; `below`, the alignment of the strength below 1; `shuffled`, the largest alignment of
    strengths above 1 with another direction than the teacher's.
    Source: as for `LinearSGD`.
    """

    outputs: int = 30
    inputs: int = 40
    strengths: tuple[float, ...] = (0.5, 1.5, 2.0, 4.0)
    rate: float = 0.1
    batch: int = 8
    burn: int = 200
    steps: int = 6000
    every: int = 20

    def measure(self, run: Run) -> Scores:
        """W - W* does not depend on the teacher, so that one run serves all strengths."""
        rng, aspect = run.numpy, self.outputs / self.inputs
        u, other = np.linalg.qr(rng.standard_normal((self.outputs, 2)))[0].T
        v = rng.standard_normal(self.inputs)
        spike = np.outer(u, v / np.linalg.norm(v))
        noise = np.sqrt(stationary_variance(self.rate, self.batch, self.inputs) * self.inputs)
        strengths = np.array(self.strengths)
        spikes = (strengths * aspect**0.25 * noise)[:, None, None] * spike
        squares = []
        error = np.zeros((self.outputs, self.inputs))
        for step in range(self.burn + self.steps):
            error = _step(rng, error, self.rate, self.batch, 1.0)
            if step >= self.burn and step % self.every == 0:
                leading = np.linalg.svd(error + spikes)[0][:, :, 0]
                squares.append(np.square(leading @ np.stack([u, other], axis=1)))
        alignment: Float[ndarray, "strength 2"] = np.mean(squares, axis=0)
        predicted = np.array([spike_alignment(strength * aspect**0.25, aspect) for strength in self.strengths])
        seen = strengths > 1
        scores = {f"alignment_{strength:g}": float(a) for strength, a in zip(strengths, alignment[:, 0], strict=True)}
        return Scores(
            {
                **scores,
                "off": float(np.abs(alignment[:, 0] - predicted)[seen].max()),
                "below": float(alignment[~seen, 0].max()),
                "shuffled": float(alignment[seen, 1].max()),
            }
        )
