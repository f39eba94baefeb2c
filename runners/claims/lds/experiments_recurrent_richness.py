"""How far a rectified recurrent network moves from its start, by the rank of its recurrent weights at the start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from dynamark.runners.claims.lds.experiments_richness import alignment, low_rank_start
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["Network", "RichLazyRNN", "choices", "cross_entropy"]

_MOMENTUM, _FORGETTING = 0.9, 0.98


@dataclass(frozen=True)
class Network:
    """h_t = relu(U x_t + W h_{t-1}), h_{-1} = 0, logits C h_T after the last of T steps; no biases.

    u [unit, channel], w [unit, unit], c [choice, unit].
    """

    u: Float[ndarray, "unit channel"]
    w: Float[ndarray, "unit unit"]
    c: Float[ndarray, "choice unit"]

    def states(self, x: Float[ndarray, "time trial channel"]) -> Float[ndarray, "time trial unit"]:
        """h_t for all trials."""
        drive = x @ self.u.T
        h = np.empty_like(drive)
        h[0] = np.maximum(drive[0], 0)
        for t in range(1, len(x)):
            h[t] = np.maximum(drive[t] + h[t - 1] @ self.w.T, 0)
        return h

    def pulls(
        self, h: Float[ndarray, "time trial unit"], to_logits: Float[ndarray, "trial choice"]
    ) -> Float[ndarray, "time trial unit"]:
        """The gradients with respect to U x_t + W h_{t-1} of a sum over trials, from those with respect to the logits."""
        pulls = np.empty_like(h)
        carry = to_logits @ self.c
        for t in range(len(h) - 1, -1, -1):
            pulls[t] = carry * (h[t] > 0)
            carry = pulls[t] @ self.w
        return pulls

    def gradients(
        self, x: Float[ndarray, "time trial channel"], h: ndarray, to_logits: Float[ndarray, "trial choice"]
    ) -> tuple[ndarray, ndarray, ndarray]:
        """The gradients with respect to U, W and C of a sum over trials."""
        pulls = self.pulls(h, to_logits)
        flat = [part.reshape(-1, part.shape[-1]) for part in (pulls, x, pulls[1:], h[:-1])]
        return flat[0].T @ flat[1], flat[2].T @ flat[3], to_logits.T @ h[-1]

    def loss(self, x: Float[ndarray, "time trial channel"], labels: Int[ndarray, " trial"]) -> float:
        """The mean cross entropy."""
        return cross_entropy(self.states(x)[-1] @ self.c.T, labels)[0]

    def recurrent_kernel(self, x: Float[ndarray, "time trial channel"]) -> Float[ndarray, "gradient gradient"]:
        """<d logit / dW, d logit' / dW> over all pairs of trials and choices: the tangent kernel of the recurrent weights."""
        h = self.states(x)
        rows = []
        for choice in np.eye(len(self.c), dtype=h.dtype):
            pulls = self.pulls(h, np.broadcast_to(choice, (h.shape[1], len(choice))))
            rows.append(np.einsum("tbi,tbj->bij", pulls[1:], h[:-1]).reshape(h.shape[1], -1))
        jacobian = np.concatenate(rows)
        return jacobian @ jacobian.T


def choices(
    trials: int, steps: int, coherence: float, noise: float, rng: np.random.Generator
) -> tuple[Float[ndarray, "time trial 3"], Int[ndarray, " trial"]]:
    """Two-choice integration: which of two noisy channels has the larger mean, asked at the last step.

    Channel 0, fixation: 1 until the last step. Channels 1 and 2: (1 +- coherence)/2 + noise N(0, 1) until the last step. All are
    0 at the last step. The label is 0 or 1, the channel with +.
    """
    x, labels = np.zeros((steps, trials, 3), dtype=np.float32), rng.integers(2, size=trials)
    x[:-1, :, 0] = 1
    x[:-1, :, 1:] = noise * rng.standard_normal((steps - 1, trials, 2))
    x[:-1, :, 1:] += (1 + coherence * np.where(np.arange(2) == labels[:, None], 1, -1)) / 2
    return x, labels


def cross_entropy(
    logits: Float[ndarray, "trial choice"], labels: Int[ndarray, " trial"]
) -> tuple[float, Float[ndarray, "trial choice"]]:
    """The mean of -ln p(label), p = softmax(logits), and its gradient with respect to the logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    p = np.exp(shifted)
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = float(-np.log(p[rows, labels]).mean())
    p[rows, labels] -= 1
    return loss, p / len(labels)


@dataclass(frozen=True)
class RichLazyRNN:
    """A rectified RNN of `units` units on two-choice integration, from recurrent weights of several ranks and one norm.

    W_0 is the leading part of rank r of a matrix with entries N(0, gain^2/units), rescaled to the norm of that matrix; U, C are
    uniform in +-1/sqrt(fan-in). One draw of the matrix, U, C and all trials for all ranks. SGD with momentum 0.9 until the
    running loss (factor 0.98) is at most `aim`, for at most `steps` steps.
    For each rank: representation_<r>, alignment of the Gram matrices of h_T on `probes` trials before and after training;
    kernel_<r>, of the tangent kernel of W; change_<r>, |W - W_0|/|W_0|; running_<r>, the running loss at the end; loss_<r>, the
    loss on `test` other trials; steps_<r>. even_<name>_<r>: at the first even step at which the loss on these trials is at most
    `aim`, where all ranks are trained equally far; NaN if there is none. All are NaN where training diverges.
    Source: Liu et al. 2024, section 4, with fewer units and steps, and the task written out instead of taken from a package.
    """

    units: int = 100
    ranks: tuple[int, ...] = (1, 5, 30, 100)
    gain: float = 1.25
    length: int = 8
    coherence: float = 0.4
    noise: float = 0.3
    rate: float = 3e-3
    batch: int = 32
    aim: float = 0.1
    steps: int = 1500
    probes: int = 20
    test: int = 500

    def measure(self, run: Run) -> Scores:
        """Alignments, changes and losses for each rank."""
        start, draw, trials = run.numpy.spawn(3)
        n = self.units
        full = self.gain / n**0.5 * start.standard_normal((n, n))
        u, c = (start.uniform(-1, 1, shape) / shape[1] ** 0.5 for shape in ((n, 3), (2, n)))
        (probe, _), test = (self._trials(count, draw) for count in (self.probes, self.test))
        entropy = trials.integers(2**63)
        values: dict[str, float] = {}
        for rank in self.ranks:
            w = low_rank_start(full, rank, float(np.linalg.norm(full)))
            network = Network(*(part.astype(np.float32) for part in (u, w, c)))
            trained, even, running, count = self._train(network, test, np.random.default_rng(entropy))
            own = {"running": running, "steps": float(count)} | _moved(network, trained, probe, test)
            own |= {f"even_{name}": value for name, value in _moved(network, even, probe, test).items()}
            values |= {f"{name}_{rank}": value for name, value in own.items()}
        return Scores(values)

    def _trials(self, count: int, rng: np.random.Generator) -> tuple[ndarray, ndarray]:
        return choices(count, self.length, self.coherence, self.noise, rng)

    def _train(
        self, start: Network, test: tuple[ndarray, ndarray], rng: np.random.Generator
    ) -> tuple[Network, Network | None, float, int]:
        """The network at the end, the one whose loss on the test trials is first at most `aim`, the running loss, the steps."""
        parts, even, running = [start.u, start.w, start.c], None, float("nan")
        velocity = [np.zeros_like(part) for part in parts]
        network = start
        for step in range(self.steps):
            if even is None and step % 2 == 0 and network.loss(*test) <= self.aim:
                even = network
            x, labels = self._trials(self.batch, rng)
            h = network.states(x)
            loss, to_logits = cross_entropy(h[-1] @ network.c.T, labels)
            running = loss if step == 0 else _FORGETTING * running + (1 - _FORGETTING) * loss
            if running <= self.aim or not np.isfinite(running):
                return network, even, running, step
            for v, gradient in zip(velocity, network.gradients(x, h, to_logits), strict=True):
                v *= _MOMENTUM
                v += gradient
            parts = [part - self.rate * v for part, v in zip(parts, velocity, strict=True)]
            network = Network(*parts)
        return network, even, running, self.steps


def _moved(
    start: Network, end: Network | None, probe: Float[ndarray, "time trial 3"], test: tuple[ndarray, ndarray]
) -> dict[str, float]:
    """How far a network is from its start, and its loss; NaN if there is no network, or one that diverged."""
    if end is None or not all(np.isfinite(part).all() for part in (end.u, end.w, end.c)):
        return dict.fromkeys(("representation", "kernel", "change", "loss"), float("nan"))
    grams = [network.states(probe)[-1] @ network.states(probe)[-1].T for network in (start, end)]
    return {
        "representation": alignment(*grams),
        "kernel": alignment(start.recurrent_kernel(probe), end.recurrent_kernel(probe)),
        "change": float(np.linalg.norm(end.w - start.w) / np.linalg.norm(start.w)),
        "loss": end.loss(*test),
    }
