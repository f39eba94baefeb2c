"""Linear predictor: one impulse response from inputs and one from past outputs."""

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
    """y^_t = sum_{i>=0} u_{t-i} G_i + sum_{j>=0} y_{t-1-j} H_j; several steps ahead, predictions replace y.

    from_inputs: G, from_outputs: H, or None for a model without that part. parameters: number of fitted weights.
    Inputs and outputs before the start of a sequence are taken as zero.
    """

    from_inputs: Float[Tensor, "lag channel dim"] | None
    from_outputs: Float[Tensor, "past dim dim"] | None
    parameters: int

    def parameter_count(self) -> int:
        """Number of fitted weights; the filters are fixed."""
        return self.parameters

    def predict(
        self, sequences: Trajectories, horizons: tuple[int, ...] = (1,)
    ) -> Float[Tensor, "horizon trajectory time dim"]:
        """Entry [i, n, t] predicts output t+h-1, h = horizons[i], from outputs before t and inputs up to t+h-1.

        P_h(t) = (G * u)_{t+h-1} + sum_{j<h-1} P_{h-1-j}(t) H_j + sum_{j>=h-1} y_{t+h-2-j} H_j.
        """
        y = sequences.observations
        forced = self._driven(sequences.inputs, y)
        if self.from_outputs is None:
            return torch.stack([_ahead(forced, h - 1) for h in horizons])
        response = self.from_outputs
        predictions: list[Tensor] = []
        for h in range(1, max(horizons) + 1):
            past = torch.zeros_like(y)
            if h <= len(response):
                past[:, 1:] = causal_convolution(y, response[h - 1 :])[:, :-1]
            recursive = [predictions[h - 2 - j] @ response[j] for j in range(min(h - 1, len(response)))]
            predictions.append(_ahead(forced, h - 1) + past + sum(recursive, torch.zeros(())))
        return torch.stack([predictions[h - 1] for h in horizons])

    def forecast(
        self, context: Trajectories, horizon: int, inputs: Float[Tensor, "trajectory horizon channel"] | None = None
    ) -> Float[Tensor, "trajectory horizon dim"]:
        """Outputs for `horizon` steps after each context; contexts may be empty."""
        start = context.observations.shape[1]
        y = torch.cat([context.observations, context.observations.new_zeros(len(context), horizon, context.dim)], dim=1)
        u = inputs
        if inputs is not None and context.inputs is not None:
            u = torch.cat([context.inputs[:, :start], inputs], dim=1)
        y[:, start:] = self._driven(u, y)[:, start:]
        if self.from_outputs is None:
            return y[:, start:]
        backwards = self.from_outputs.flip(0)
        for t in range(max(start, 1), start + horizon):
            lags = min(t, len(backwards))
            y[:, t] += torch.einsum("nlp,lpq->nq", y[:, t - lags : t], backwards[-lags:])
        return y[:, start:]

    def _driven(self, u: Tensor | None, y: Tensor) -> Tensor:
        """The forced response G * u."""
        if u is None or self.from_inputs is None:
            return torch.zeros_like(y)
        return causal_convolution(u[:, : y.shape[1]], self.from_inputs)


def _ahead(x: Float[Tensor, "trajectory time dim"], steps: int) -> Float[Tensor, "trajectory time dim"]:
    """x_{t+steps}; zero beyond the end of the sequence, which is not scored."""
    out = torch.zeros_like(x)
    length = max(0, x.shape[1] - steps)
    out[:, :length] = x[:, steps : steps + length]
    return out
