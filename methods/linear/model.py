"""The linear predictor: two impulse responses, one from inputs and one from past outputs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.numerics.convolution import causal_convolution
from dynamark.tasks.problems import Trajectories

__all__ = ["LinearPredictor"]


@dataclass(frozen=True)
class LinearPredictor:
    """y^_t = sum_{i>=0} u_{t-i} G_i + sum_{j>=0} y_{t-1-j} H_j; further ahead it goes on with its own predictions.

    from_inputs: G, from_outputs: H; None where the model has no such part. parameters: how many weights were fitted.
    Past and inputs before the sequence count as zero.
    """

    from_inputs: Float[Tensor, "lag channel dim"] | None
    from_outputs: Float[Tensor, "past dim dim"] | None
    parameters: int

    def parameter_count(self) -> int:
        """Fitted weights; the filters behind them are fixed."""
        return self.parameters

    def predict(
        self, sequences: Trajectories, horizons: tuple[int, ...] = (1,)
    ) -> Float[Tensor, "horizon trajectory time dim"]:
        """Entry [i, n, t]: output t+h-1, h = horizons[i], from outputs before t and inputs up to t+h-1.

        P_h(t) = (G * u)_{t+h-1} + sum_{j<h-1} P_{h-1-j}(t) H_j + sum_{j>=h-1} y_{t+h-2-j} H_j.
        """
        y = sequences.observations
        driven = self._driven(sequences.inputs, y)
        if self.from_outputs is None:
            return torch.stack([_ahead(driven, h - 1) for h in horizons])
        response = self.from_outputs
        rolled: list[Tensor] = []
        for h in range(1, max(horizons) + 1):
            past = torch.zeros_like(y)
            if h <= len(response):
                past[:, 1:] = causal_convolution(y, response[h - 1 :])[:, :-1]
            own = [rolled[h - 2 - j] @ response[j] for j in range(min(h - 1, len(response)))]
            rolled.append(_ahead(driven, h - 1) + past + sum(own, torch.zeros(())))
        return torch.stack([rolled[h - 1] for h in horizons])

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """The outputs that follow each context, which may be empty."""
        seen = context.observations.shape[1]
        y = torch.cat([context.observations, context.observations.new_zeros(len(context), horizon, context.dim)], dim=1)
        u = inputs
        if inputs is not None and context.inputs is not None:
            u = torch.cat([context.inputs[:, :seen], inputs], dim=1)
        y[:, seen:] = self._driven(u, y)[:, seen:]
        if self.from_outputs is None:
            return y[:, seen:]
        backwards = self.from_outputs.flip(0)
        for t in range(max(seen, 1), seen + horizon):
            lags = min(t, len(backwards))
            y[:, t] += torch.einsum("nlp,lpq->nq", y[:, t - lags : t], backwards[-lags:])
        return y[:, seen:]

    def _driven(self, u: Tensor | None, y: Tensor) -> Tensor:
        """G * u, the part of the inputs."""
        if u is None or self.from_inputs is None:
            return torch.zeros_like(y)
        return causal_convolution(u[:, : y.shape[1]], self.from_inputs)


def _ahead(x: Float[Tensor, "trajectory time dim"], steps: int) -> Float[Tensor, "trajectory time dim"]:
    """x_{t+steps}; zero beyond the end, where nothing is scored."""
    out = torch.zeros_like(x)
    kept = max(0, x.shape[1] - steps)
    out[:, :kept] = x[:, steps : steps + kept]
    return out
