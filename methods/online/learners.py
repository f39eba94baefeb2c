"""Online linear regression on a feature map: Vovk-Azoury-Warmuth, recursive least squares, online gradient descent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.fields import Positive, Range, SearchSpace, Share
from dynamark.methods.online.features import FeatureMap, Stream
from dynamark.tasks.problems import Online, Run

__all__ = ["OGD", "RLS", "VAW", "SquareRoot"]


@dataclass(frozen=True)
class VAW(FeatureMap):
    """y^_t = z_t' A_t^{-1} b_{t-1}, A_t = lambda I + sum_{s<=t} z_s z_s', b_t = sum_{s<=t} z_s y_s.

    A_t includes the current features z_t: for |y_s| <= Y and |z_s| <= Z in R^q, the regret against any w is at most
    lambda |w|^2 + q Y^2 log(1 + T Z^2 / (lambda q)).

    penalty: lambda, absolute. A triangular factor of A is updated by one QR per step, since Sherman-Morrison updates of the
    inverse lose all digits at such small penalties.

    key: vovk2001
    """

    penalty: Positive = 1e-6
    search_space: ClassVar[SearchSpace] = {
        "penalty": (1e-6, 1e-3, 1e-1, 1.0),
        "order": (12, 4, 24),
        "filters": (20, 10, 30),
    }

    def fit_learner(self, problem: Online, run: Run) -> SquareRoot:
        """A learner without data."""
        return SquareRoot(self.stream(problem), problem.dim, self.penalty, forward=True)


@dataclass(frozen=True)
class RLS(FeatureMap):
    """y^_t = z_t' A_{t-1}^{-1} b_{t-1}, A_t = f A_{t-1} + z_t z_t', b_t = f b_{t-1} + z_t y_t, A_0 = lambda I.

    penalty: lambda, absolute. forgetting: f; set to 1 while tr A^{-1} exceeds `cap` times its initial value (windup protection:
    without excitation A would decay to 0).

    key: ljung1999
    """

    penalty: Positive = 1e-6
    forgetting: Share = 1.0
    cap: Annotated[float, Range(low=1, high=math.inf)] = 1e3
    search_space: ClassVar[SearchSpace] = {
        "penalty": (1e-6, 1e-3, 1e-1),
        "forgetting": (1.0, 0.999, 0.99),
        "order": (12, 4, 24),
    }

    def fit_learner(self, problem: Online, run: Run) -> SquareRoot:
        """A learner without data."""
        stream = self.stream(problem)
        return SquareRoot(stream, problem.dim, self.penalty, self.forgetting, self.cap * stream.size / self.penalty)


class SquareRoot:
    """Square-root form of recursive least squares: [R d] with R'R = A and R'd = b, for each sequence.

    forward: include the current features in A for the prediction (VAW), otherwise not (RLS).
    """

    def __init__(
        self,
        stream: Stream,
        dim: int,
        penalty: float,
        forgetting: float = 1.0,
        cap: float = torch.inf,
        forward: bool = False,
    ) -> None:
        self._stream, self._forward, self._forgetting, self._cap = stream, forward, forgetting, cap
        corner = penalty**0.5 * torch.eye(stream.size, dtype=torch.float64)
        self._root = torch.cat([corner, corner.new_zeros(stream.size, dim)], dim=1)[None]
        self._z = corner.new_zeros(0)

    def parameter_count(self) -> int:
        """Entries of R and d."""
        return self._root[0].numel()

    def predict(self, inputs: Float[Tensor, "sequence channel"]) -> Float[Tensor, "sequence dim"]:
        """The prediction z' R^{-1} d, divided by 1 + |R^{-T} z|^2 if `forward`."""
        size = self._stream.size
        self._z = self._stream.features(inputs)
        r, d = self._root[..., :size], self._root[..., size:]
        solution = torch.linalg.solve_triangular(r.mT, self._z[..., None], upper=False)
        prediction = (solution * d).sum(-2)
        return prediction / (1 + solution.square().sum(-2)) if self._forward else prediction

    def update(self, outputs: Float[Tensor, "sequence dim"]) -> None:
        """Append the row [z y] to [R d] and re-triangularize by QR."""
        row = torch.cat([self._z, outputs], dim=-1)[:, None]
        root = self._root.expand(len(row), -1, -1)
        if self._forgetting < 1:
            root = root * self._discount(root)
        self._root = torch.linalg.qr(torch.cat([root, row], dim=1), mode="r").R[:, : self._stream.size]
        self._stream.reveal(outputs)

    def _discount(self, root: Tensor) -> Tensor:
        """sqrt(f), or 1 where tr A^{-1} = |R^{-1}|_F^2 exceeds the cap."""
        r = root[..., : self._stream.size]
        inverse = torch.linalg.solve_triangular(r, torch.eye(r.shape[-1], dtype=r.dtype), upper=True)
        windup = inverse.square().sum((-2, -1)) > self._cap
        return self._forgetting ** (0.5 * (~windup).to(root))[:, None, None]


@dataclass(frozen=True)
class OGD(FeatureMap):
    """w_{t+1} = w_t - eta g_t / sqrt(sum_{s<=t} g_s^2) (AdaGrad), or - eta g_t / (R_t^2 sqrt(t)); g_t = 2 z_t (y^_t - y_t).

    rate: eta. adaptive: AdaGrad (diagonal); else online gradient descent with R_t = max_{s<=t} |z_s|, which is stable for
    eta < 1 in any units and dimension. Weights are not projected onto a ball.
    Spectral features are scaled by s_j^{1/4}, as in the paper on spectral filtering.

    key: duchi2011
    """

    rate: Positive = 0.1
    adaptive: bool = True
    search_space: ClassVar[SearchSpace] = {"rate": (0.1, 0.03, 0.3, 1.0), "order": (12, 4, 24)}

    _scaled = True

    def fit_learner(self, problem: Online, run: Run) -> _Gradient:
        """A learner with zero weights."""
        return _Gradient(self.stream(problem), problem.dim, self.rate, self.adaptive)


class _Gradient:
    def __init__(self, stream: Stream, dim: int, rate: float, adaptive: bool) -> None:
        self._stream, self._rate, self._adaptive = stream, rate, adaptive
        self._weights = torch.zeros(1, stream.size, dim, dtype=torch.float64)
        self._total = torch.zeros_like(self._weights)
        self._largest = torch.zeros(1, dtype=torch.float64)
        self._z = self._answer = torch.zeros(0)

    def parameter_count(self) -> int:
        """Number of weights."""
        return self._weights[0].numel()

    def predict(self, inputs: Float[Tensor, "sequence channel"]) -> Float[Tensor, "sequence dim"]:
        """The prediction z' w."""
        self._z = self._stream.features(inputs)
        self._answer = (self._z[..., None] * self._weights).sum(-2)
        return self._answer

    def update(self, outputs: Float[Tensor, "sequence dim"]) -> None:
        """One gradient step on the squared loss."""
        gradient = 2 * self._z[..., None] * (self._answer - outputs)[:, None]
        if self._adaptive:
            self._total = self._total + gradient.square()
        else:
            self._total = self._total + 1.0
            self._largest = torch.maximum(self._largest, self._z.square().sum(-1))
            gradient = gradient / torch.where(self._largest > 0, self._largest, 1.0)[:, None, None]
        # A weight whose gradients have all been zero does not change.
        scale = torch.where(self._total > 0, self._total.sqrt(), 1.0)
        self._weights = self._weights - self._rate * gradient / scale
        self._stream.reveal(outputs)
