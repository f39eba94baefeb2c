"""The interface between tasks and methods: problems, models and queries.

There are five kinds of problem, each with one protocol. A method implements the protocols of the kinds that it can solve, in the
singular (one problem) and, if seeds can be batched, in the plural:

=============  ====================================  ====================
kind           a method implements                   and returns
=============  ====================================  ====================
`Recovery`     `fit_estimate`, `fit_estimates`       an `Estimate`
`Prediction`   `fit_predictor`, `fit_predictors`     a `Predictor`
`Online`       `fit_learner`, `fit_learners`         a `Learner`
`Forecasting`  `fit_forecaster`, `fit_forecasters`   a `Forecaster`
`Training`     `fit_network`, `fit_networks`         a `Network`
=============  ====================================  ====================

The query (held-out contexts and inputs for evaluation) is part of a problem, but not available to a method during fitting.
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
    """Sequences or trajectories, of equal length unless `lengths` is given.

    observations: states or outputs.
    inputs: known inputs; input t is known when output t is predicted.
    dt: time between two samples (1 for maps).
    gaps: time since the previous sample, if sampling is irregular.
    seen: mask of the observations, False where an observation is missing (sparse targets).
    twin: a second, independent successor sample of each state (stochastic systems).
    weights: quadrature weights of the samples.
    lengths: number of samples of each trajectory, if they differ; later samples are padding. Methods never get this: they get
        windows of equal length that cover every step (`tasks/contract.py`).
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

    Both accept leading batch axes. One `forward` or one `adjoint` is one pass. The operators of `numerics/operators.py` also have
    products with factors, `product`(L, R) = A(L R^T) and `back`(z, R) = A*(z) R, without a full matrix if entries are sampled.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of X."""

    def forward(self, matrix: Float[Tensor, "*batch row column"]) -> Float[Tensor, "*batch m"]:
        """A(X)."""

    def adjoint(self, values: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch row column"]:
        """A*(z), the adjoint under the Euclidean inner products."""


@dataclass(frozen=True)
class Recovery:
    """Recover the low-rank matrix X* from y = A(X*) + noise.

    The loss is 1/2 |A(F G^T) - y|^2, or 1/4 |A(X X^T) - y|^2 for a symmetric problem; step sizes refer to this loss.

    rank: the exact rank if `rank_is_exact`, else an upper bound; None if unknown.
    noise: standard deviation of the noise entries times sqrt(m); None if unknown or zero.
    shared: whether other seeds use the identical operator object, so that one matrix product serves several seeds.
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
    """Sequences that are revealed step by step: an output is revealed after its prediction."""

    inputs: Float[Tensor, "sequence time channel"]
    outputs: Float[Tensor, "sequence time dim"]


@dataclass(frozen=True)
class Online:
    """Online learning: predict each output of a sequence before it is revealed; only the sizes are known in advance."""

    channels: int
    dim: int
    horizon: int
    query: OnlineQuery | None = None


@dataclass(frozen=True)
class Rollout:
    """Continue these contexts for `horizon` steps. With a context of length 0, start from rest, driven by `inputs`."""

    context: Trajectories
    horizon: int
    inputs: Float[Tensor, "trajectory horizon channel"] | None = None


@dataclass(frozen=True)
class ForecastingQuery:
    """Evaluation of a forecaster: named rollouts, eigenfunctions and the Lyapunov spectrum.

    points: windows of states at which eigenfunctions are evaluated (window 1 on the Markov track).
    lyapunov_steps: length of the orbits for the Lyapunov spectrum of a model with a Jacobian; 0 to skip it.
    draws: number of sampled continuations of each context, from a model with `sample`; 0 to skip them.
    """

    rollouts: Mapping[str, Rollout]
    points: Float[Tensor, "point window dim"] | None = None
    lyapunov_steps: int = 0
    draws: int = 0


@dataclass(frozen=True)
class Forecasting:
    """Learn the dynamics from trajectories, then continue other trajectories.

    context: number of observations given to a model before the forecast: 1 on the Markov track, 0 from rest.
    """

    train: Trajectories
    validation: Trajectories
    context: int = 1
    query: ForecastingQuery | None = None


@dataclass(frozen=True)
class TrainingQuery:
    """Held-out inputs to classify."""

    inputs: Float[Tensor, "sample *feature"]


@dataclass(frozen=True)
class Training:
    """Train a multilayer perceptron with the given layer widths on labeled samples (cross-entropy)."""

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
    """A factored matrix: `product` F G^T of (F, G), `symmetric` X X^T of (X,), `dense` X of (X,), or `cp` of any order."""

    factors: tuple[Tensor, ...]
    form: Literal["product", "symmetric", "cp", "dense"]

    def parameter_count(self) -> int:
        """The number of entries of all factors."""
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


@runtime_checkable
class Learner(Protocol):
    """An online learner: predicts, then learns from the revealed output."""

    def predict(self, inputs: Float[Tensor, "sequence channel"]) -> Float[Tensor, "sequence dim"]:
        """The predicted outputs for these inputs, one per sequence."""

    def update(self, outputs: Float[Tensor, "sequence dim"]) -> None:
        """Learn from the true outputs of the last prediction. Sequences are independent, each with its own state."""


@runtime_checkable
class Forecaster(Protocol):
    """Continues trajectories."""

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """Forecast the `horizon` observations after each context; inputs[:, i] is the input of forecast step i."""


@runtime_checkable
class HasJacobian(Protocol):
    """A forecaster with a step map and its Jacobian, whose Lyapunov spectrum can be computed."""

    def initial_state(self, context: Trajectories) -> Float[Tensor, "trajectory state"]:
        """The state after the context."""

    def step(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state"]:
        """The next state."""

    def jacobian(self, state: Float[Tensor, "trajectory state"]) -> Float[Tensor, "trajectory state state"]:
        """d step / d state."""


@runtime_checkable
class HasSample(Protocol):
    """A forecaster whose answer is a distribution."""

    def sample(
        self,
        context: Trajectories,
        horizon: int,
        draws: int,
        generator: torch.Generator,
        inputs: Float[Tensor, "trajectory horizon channel"] | None = None,
    ) -> Float[Tensor, "trajectory draw horizon dim"]:
        """Independent draws of the `horizon` observations after each context; all random numbers come from the generator."""


@runtime_checkable
class HasSpectrum(Protocol):
    """A forecaster with a Koopman spectrum."""

    def eigenvalues(self) -> Tensor:
        """Complex eigenvalues of the Koopman operator of one time step [mode]."""

    def eigenfunctions(self, points: Float[Tensor, "point window dim"]) -> Tensor:
        """Complex values of the eigenfunctions [point, mode], in the order of the eigenvalues."""


@runtime_checkable
class Network(Protocol):
    """A trained classifier."""

    def logits(self, inputs: Float[Tensor, "sample *feature"]) -> Float[Tensor, "sample label"]:
        """Unnormalized log-probabilities."""


@dataclass
class Run:
    """The context of a run: random generators, device, budget, and callbacks for reports.

    entropy: entropy of the random generators; runs with equal entropy draw equal numbers.
    budget: maximum number of training steps or operator passes (never seconds); None if the method decides.
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
        """Seeded torch generator on the CPU: sample on the CPU, then move, so that all devices get the same numbers."""
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
        """The number of steps: `default`, but at most the budget."""
        return default if self.budget is None else min(default, self.budget)

    def progress(self, step: int, total: int) -> None:
        """Report that `step` of `total` steps are done."""
        self.steps = step
        if self.on_progress is not None:
            self.on_progress(step, total)

    def curve(self, name: str, step: float, value: float) -> None:
        """Record one point of a curve, for example of the training loss."""
        self.curves.setdefault(name, []).append((float(step), float(value)))

    def fact(self, name: str, value: float) -> None:
        """Record a property of the fitted model, for example its number of linear regions."""
        self.facts[name] = float(value)

    @staticmethod
    def wants_snapshot(step: int) -> bool:
        """Whether a snapshot is due: at steps 0 to 50, then at log-spaced steps, each about 5 % after the last."""
        return step <= 50 or int(np.log(step) / np.log(1.05)) != int(np.log(step - 1) / np.log(1.05))

    def snapshot(self, step: int, factors: tuple[Tensor, ...], passes: int | None = None) -> None:
        """Store a copy of an iterate if a snapshot is due at this step; `passes`: operator passes so far."""
        if self.wants_snapshot(step):
            self.snapshots.append((step, tuple(f.detach().clone() for f in factors)))
            if passes is not None:
                self.passes.append(passes)
