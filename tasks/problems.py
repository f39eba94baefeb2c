"""The shared vocabulary: what a method is handed, what it returns, and what its model is asked.

Five kinds of problem; each has one protocol. A method implements the protocols of the kinds that it can solve, in the
singular (one problem) and, where seeds can be solved together, in the plural:

=============  ====================================  ====================
kind           a method implements                   and returns
=============  ====================================  ====================
`Recovery`     `fit_estimate`, `fit_estimates`       an `Estimate`
`Prediction`   `fit_predictor`, `fit_predictors`     a `Predictor`
`Online`       `fit_learner`, `fit_learners`         a `Learner`
`Forecasting`  `fit_forecaster`, `fit_forecasters`   a `Forecaster`
`Training`     `fit_network`, `fit_networks`         a `Network`
=============  ====================================  ====================

The query (the held-out contexts and inputs to answer) is part of a problem, but hidden from a method while it fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = [
    "KINDS",
    "Estimate",
    "Forecaster",
    "Forecasting",
    "ForecastingQuery",
    "Learner",
    "Network",
    "Online",
    "OnlineQuery",
    "Operator",
    "Prediction",
    "PredictionQuery",
    "Predictor",
    "Problem",
    "Recovery",
    "Rollout",
    "Run",
    "Training",
    "TrainingQuery",
    "Trajectories",
]


@dataclass(frozen=True)
class Trajectories:
    """Sequences or trajectories, of equal length where `lengths` does not say otherwise.

    observations: states or outputs.
    inputs: known inputs; input t is known when output t is predicted.
    dt: time between two samples (1 for maps).
    gaps: time since the previous sample, where sampling is irregular.
    seen: False where an observation is hidden (sparse targets).
    twin: a second, independent successor of each state (stochastic systems).
    weights: quadrature weights of the samples.
    lengths: samples of each trajectory where they differ; what stands beyond them is filling. A method never sees this: it is
        handed windows of equal length that hold every step (`tasks/contract.py`).
    """

    observations: Float[Tensor, "trajectory time dim"]
    inputs: Float[Tensor, "trajectory steps channel"] | None = None
    dt: float = 1.0
    gaps: Float[Tensor, "trajectory time"] | None = None
    seen: Bool[Tensor, "trajectory time"] | None = None
    twin: Float[Tensor, "trajectory time dim"] | None = None
    weights: Float[Tensor, "trajectory time"] | None = None
    lengths: Int[Tensor, " trajectory"] | None = None

    @property
    def dim(self) -> int:
        """Number of observed channels."""
        return self.observations.shape[-1]

    @property
    def channels(self) -> int:
        """Number of input channels, 0 without inputs."""
        return 0 if self.inputs is None else self.inputs.shape[-1]

    def __len__(self) -> int:
        return len(self.observations)


@runtime_checkable
class Operator(Protocol):
    """A linear map from matrices [..., row, column] to measurements [..., m], and its adjoint.

    Both accept leading batch axes. One `forward` or one `adjoint` is one pass. Those of `numerics/operators.py` measure factors
    besides: `product`(L, R) = A(L R^T) and `back`(z, R) = A*(z) R, with no matrix of full size where entries are sampled.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrices it measures."""
        ...

    def forward(self, matrix: Float[Tensor, "*batch row column"]) -> Float[Tensor, "*batch m"]:
        """A(X)."""
        ...

    def adjoint(self, values: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch row column"]:
        """A*(z), the adjoint under the Euclidean inner products."""
        ...


@dataclass(frozen=True)
class Recovery:
    """Recover X* of low rank from y = A(X*) + noise.

    The loss is 1/2 |A(F G^T) - y|^2, for a symmetric problem 1/4 |A(X X^T) - y|^2; step sizes refer to it.

    rank: the exact rank or an upper bound on it, as `rank_is_exact` says; None when it is unknown.
    noise: standard deviation of the entries of the noise times sqrt(m), where the task tells it.
    shared: whether other seeds measure with the very same operator, so that one matrix product serves several.
    """

    operator: Operator
    y: Float[Tensor, " m"]
    symmetric: bool
    rank: int | None = None
    rank_is_exact: bool = True
    noise: float | None = None
    shared: bool = False
    query: None = None


@dataclass(frozen=True)
class PredictionQuery:
    """Predict the outputs of these sequences at each horizon."""

    sequences: Trajectories
    horizons: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class Prediction:
    """Predict outputs t+h-1 from outputs before t and inputs up to t+h-1."""

    train: Trajectories
    validation: Trajectories
    query: PredictionQuery | None = None


@dataclass(frozen=True)
class OnlineQuery:
    """Sequences that are revealed step by step: predict, then see the output."""

    inputs: Float[Tensor, "sequence time channel"]
    outputs: Float[Tensor, "sequence time dim"]


@dataclass(frozen=True)
class Online:
    """Predict each output of a sequence before it is revealed; nothing is known in advance but the sizes."""

    channels: int
    dim: int
    horizon: int
    query: OnlineQuery | None = None


@dataclass(frozen=True)
class Rollout:
    """Continue these contexts for `horizon` steps. A context of length 0 starts from rest, driven by `inputs`."""

    context: Trajectories
    horizon: int
    inputs: Float[Tensor, "trajectory horizon channel"] | None = None


@dataclass(frozen=True)
class ForecastingQuery:
    """What a forecaster is asked: named rollouts, and what only a model can tell.

    points: windows of states at which eigenfunctions are evaluated (window 1 on the Markov track).
    lyapunov_steps: length of the orbits that measure the Lyapunov spectrum of a model with a Jacobian; 0 for none.
    """

    rollouts: Mapping[str, Rollout]
    points: Float[Tensor, "point window dim"] | None = None
    lyapunov_steps: int = 0


@dataclass(frozen=True)
class Forecasting:
    """Learn the dynamics from trajectories, then continue others.

    context: observations that a model is shown before it continues a trajectory: 1 on the Markov track, 0 from rest.
    """

    train: Trajectories
    validation: Trajectories
    context: int = 1
    query: ForecastingQuery | None = None


@dataclass(frozen=True)
class TrainingQuery:
    """Held-out inputs of a network."""

    inputs: Float[Tensor, "sample *feature"]


@dataclass(frozen=True)
class Training:
    """Train a multilayer perceptron with the given layer widths on labeled samples (cross entropy)."""

    inputs: Float[Tensor, "sample *feature"]
    labels: Int[Tensor, " sample"]
    widths: tuple[int, ...]
    rank: int | None = None
    query: TrainingQuery | None = None


Problem = Recovery | Prediction | Online | Forecasting | Training

# kind of problem -> the method of its protocol, in the singular and in the plural
KINDS: dict[type, tuple[str, str]] = {
    Recovery: ("fit_estimate", "fit_estimates"),
    Prediction: ("fit_predictor", "fit_predictors"),
    Online: ("fit_learner", "fit_learners"),
    Forecasting: ("fit_forecaster", "fit_forecasters"),
    Training: ("fit_network", "fit_networks"),
}


@dataclass(frozen=True)
class Estimate:
    """A matrix in factors: `product` F G^T of (F, G), `symmetric` X X^T of (X,), `dense` (X,), or `cp` of any order."""

    factors: tuple[Tensor, ...]
    form: Literal["product", "symmetric", "cp", "dense"]

    def parameter_count(self) -> int:
        """Entries of the factors."""
        return sum(factor.numel() for factor in self.factors)


@runtime_checkable
class Predictor(Protocol):
    """Predicts outputs from past outputs and from inputs."""

    def predict(
        self, sequences: Trajectories, horizons: tuple[int, ...] = (1,)
    ) -> Float[Tensor, "horizon trajectory time dim"]:
        """Entry [i, n, t] predicts output t+h-1, h = horizons[i], from outputs before t and inputs up to t+h-1.

        Entries whose target lies beyond the end of the sequence are not scored.
        """
        ...


@runtime_checkable
class Learner(Protocol):
    """Predicts, then learns from the output that is revealed."""

    def predict(self, inputs: Float[Tensor, "sequence channel"]) -> Float[Tensor, "sequence dim"]:
        """The predictions of the outputs that belong to these inputs, one a sequence."""
        ...

    def update(self, outputs: Float[Tensor, "sequence dim"]) -> None:
        """Learn from the outputs just predicted. Sequences are independent: each has a learner's state of its own."""
        ...


@runtime_checkable
class Forecaster(Protocol):
    """Continues trajectories."""

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The `horizon` observations that follow each context; inputs[:, i] belongs to step i of the forecast."""
        ...


@runtime_checkable
class HasJacobian(Protocol):
    """A forecaster whose state is the observation, or holds it: its Lyapunov spectrum can be measured."""

    def initial_state(self, context: Trajectories) -> Float[Tensor, "trajectory state"]:
        """The state after the context."""
        ...

    def step(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state"]:
        """The next state."""
        ...

    def jacobian(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state state"]:
        """d step / d state."""
        ...


@runtime_checkable
class HasSpectrum(Protocol):
    """A forecaster with a Koopman spectrum."""

    def eigenvalues(self) -> Tensor:
        """Complex eigenvalues of one time step [mode]."""
        ...

    def eigenfunctions(self, points: Float[Tensor, "point window dim"]) -> Tensor:
        """Complex values [point, mode], columns in the order of the eigenvalues."""
        ...


@runtime_checkable
class Network(Protocol):
    """A trained classifier."""

    def logits(self, inputs: Float[Tensor, "sample *feature"]) -> Float[Tensor, "sample label"]:
        """Unnormalized log probabilities."""
        ...


@dataclass
class Run:
    """What a method may use besides its problem: randomness, device, budget, and ways to report.

    entropy: the words that seed the run; two runs with the same words draw the same numbers.
    budget: training steps or operator passes at most (never seconds); None leaves it to the method.
    """

    entropy: Sequence[int] = (0,)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    budget: int | None = None
    on_progress: Callable[[int, int], None] | None = None
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    snapshots: list[tuple[int, tuple[Tensor, ...]]] = field(default_factory=list)
    passes: list[int] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)
    steps: int | None = None
    _torch: torch.Generator | None = None
    _numpy: np.random.Generator | None = None

    @property
    def generator(self) -> torch.Generator:
        """Seeded torch generator on the CPU: draw there, then move, so that every device sees the same numbers."""
        if self._torch is None:
            state = np.random.SeedSequence(list(self.entropy), spawn_key=(0,)).generate_state(1, np.uint64)
            self._torch = torch.Generator().manual_seed(int(state[0]) >> 1)
        return self._torch

    @property
    def numpy(self) -> np.random.Generator:
        """Seeded NumPy generator."""
        if self._numpy is None:
            self._numpy = np.random.default_rng(np.random.SeedSequence(list(self.entropy), spawn_key=(1,)))
        return self._numpy

    def limit(self, default: int) -> int:
        """The number of steps to take: the method's own default, within the budget."""
        return default if self.budget is None else min(default, self.budget)

    def progress(self, step: int, total: int) -> None:
        """Say that `step` of `total` steps are done."""
        self.steps = step
        if self.on_progress is not None:
            self.on_progress(step, total)

    def curve(self, name: str, step: float, value: float) -> None:
        """Record one point of a curve, for instance the training loss."""
        self.curves.setdefault(name, []).append((float(step), float(value)))

    def fact(self, name: str, value: float) -> None:
        """Record a number about the fitted model, for instance its number of linear regions."""
        self.facts[name] = float(value)

    @staticmethod
    def wants_snapshot(step: int) -> bool:
        """Whether a snapshot is due: at each of the first 50 steps, then at steps that grow by 5 %."""
        return step <= 50 or int(np.log(step) / np.log(1.05)) != int(np.log(step - 1) / np.log(1.05))

    def snapshot(self, step: int, factors: tuple[Tensor, ...], passes: int | None = None) -> None:
        """Keep a copy of an iterate, if one is due at this step; `passes` of the operator were made until then."""
        if self.wants_snapshot(step):
            self.snapshots.append((step, tuple(f.detach().clone() for f in factors)))
            if passes is not None:
                self.passes.append(passes)
