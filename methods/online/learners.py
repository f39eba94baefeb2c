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

    The matrix already holds the present features: with outputs bounded by Y the regret against any w is at most
    lambda |w|^2 + q Y^2 log(1 + T Z^2 / (lambda q)).

    penalty: lambda, absolute. Kept as a triangular factor by one QR a step: an inverse updated by Sherman-Morrison loses all
    digits at such penalties.

    key: vovk2001
    """

    penalty: Positive = 1e-6
    search_space: ClassVar[SearchSpace] = {
        "penalty": (1e-6, 1e-3, 1e-1, 1.0),
        "order": (12, 4, 24),
        "filters": (20, 10, 30),
    }

    def fit_learner(self, problem: Online, run: Run) -> SquareRoot:
        """A learner that has seen nothing."""
        return SquareRoot(self.stream(problem), problem.dim, self.penalty, forward=True)


@dataclass(frozen=True)
class RLS(FeatureMap):
    """y^_t = z_t' A_{t-1}^{-1} b_{t-1}, A_t = f A_{t-1} + z_t z_t', b_t = f b_{t-1} + z_t y_t, A_0 = lambda I.

    forgetting: f. Forgetting pauses while tr A^{-1} exceeds `cap` times its start: without excitation A would vanish.

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
        """A learner that has seen nothing."""
        stream = self.stream(problem)
        return SquareRoot(stream, problem.dim, self.penalty, self.forgetting, self.cap * stream.size / self.penalty)


class SquareRoot:
    """R with R'R = A, and d with R'd = b, as one triangle [R d], for each sequence."""

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
        """The weights, and the triangle they come from."""
        return self._root[0].numel()

    def predict(self, inputs: Float[Tensor, "sequence channel"]) -> Float[Tensor, "sequence dim"]:
        """The prediction z' R^{-1} d, for the forward learner over 1 + |R^{-T} z|^2."""
        size = self._stream.size
        self._z = self._stream.features(inputs)
        r, d = self._root[..., :size], self._root[..., size:]
        back = torch.linalg.solve_triangular(r.mT, self._z[..., None], upper=False)
        answer = (back * d).sum(-2)
        return answer / (1 + back.square().sum(-2)) if self._forward else answer

    def update(self, outputs: Float[Tensor, "sequence dim"]) -> None:
        """One more row, then triangular again."""
        row = torch.cat([self._z, outputs], dim=-1)[:, None]
        root = self._root.expand(len(row), -1, -1)
        if self._forgetting < 1:
            root = root * self._discount(root)
        self._root = torch.linalg.qr(torch.cat([root, row], dim=1), mode="r").R[:, : self._stream.size]
        self._stream.reveal(outputs)

    def _discount(self, root: Tensor) -> Tensor:
        """sqrt(f), or 1 where tr A^{-1} = |R^{-1}|_F^2 has reached the cap."""
        r = root[..., : self._stream.size]
        inverse = torch.linalg.solve_triangular(r, torch.eye(r.shape[-1], dtype=r.dtype), upper=True)
        wound_up = inverse.square().sum((-2, -1)) > self._cap
        return self._forgetting ** (0.5 * (~wound_up).to(root))[:, None, None]


@dataclass(frozen=True)
class OGD(FeatureMap):
    """w_{t+1} = w_t - eta g_t / sqrt(sum_{s<=t} g_s^2) (AdaGrad), or - eta g_t / (R_t^2 sqrt(t)); g_t = 2 z_t (y^_t - y_t).

    rate: eta. adaptive: AdaGrad's diagonal scaling, else online gradient descent with R_t = max_{s<=t} |z_s|, so that it is
    stable for eta < 1 in any units and at any dimension. Not projected on a ball.
    Spectral features are scaled by s_j^{1/4}, as in the paper on spectral filtering.

    key: duchi2011
    """

    rate: Positive = 0.1
    adaptive: bool = True
    search_space: ClassVar[SearchSpace] = {"rate": (0.1, 0.03, 0.3, 1.0), "order": (12, 4, 24)}

    _scaled = True

    def fit_learner(self, problem: Online, run: Run) -> _Gradient:
        """A learner with weights zero."""
        return _Gradient(self.stream(problem), problem.dim, self.rate, self.adaptive)


class _Gradient:
    def __init__(self, stream: Stream, dim: int, rate: float, adaptive: bool) -> None:
        self._stream, self._rate, self._adaptive = stream, rate, adaptive
        self._weights = torch.zeros(1, stream.size, dim, dtype=torch.float64)
        self._total = torch.zeros_like(self._weights)
        self._largest = torch.zeros(1, dtype=torch.float64)
        self._z = self._answer = torch.zeros(0)

    def parameter_count(self) -> int:
        """The weights."""
        return self._weights[0].numel()

    def predict(self, inputs: Float[Tensor, "sequence channel"]) -> Float[Tensor, "sequence dim"]:
        """The prediction z' w."""
        self._z = self._stream.features(inputs)
        self._answer = (self._z[..., None] * self._weights).sum(-2)
        return self._answer

    def update(self, outputs: Float[Tensor, "sequence dim"]) -> None:
        """One step against the gradient of the squared loss."""
        gradient = 2 * self._z[..., None] * (self._answer - outputs)[:, None]
        if self._adaptive:
            self._total = self._total + gradient.square()
        else:
            self._total = self._total + 1.0
            self._largest = torch.maximum(self._largest, self._z.square().sum(-1))
            gradient = gradient / torch.where(self._largest > 0, self._largest, 1.0)[:, None, None]
        # A coordinate without a gradient so far stays where it is.
        scale = torch.where(self._total > 0, self._total.sqrt(), 1.0)
        self._weights = self._weights - self._rate * gradient / scale
        self._stream.reveal(outputs)
