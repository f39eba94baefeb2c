"""The adapter of pretrained forecasters, measured with a small transformer of random weights."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.methods.fields import Count
from dynamark.methods.pretrained.patches import PatchDecoder, PatchTransformer, Sizes
from dynamark.methods.pretrained.zero_shot import ZeroShotModel
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["ZeroShotAdapter"]


@dataclass(frozen=True)
class ZeroShotAdapter:
    """Continue `paths` contexts of `context` samples by a decoder of random weights, read from a file.

    permuted_gap: largest |P f(x) - f(P x)|, P a permutation of channels, over the largest |f|. repeated_gap: of two loads of the
    weights. training_gap: of models that were given other training data. rolled_gap: of one call of the horizon and of several of
    one patch each. window_gap: of contexts whose samples before the window differ. channel_effect: largest change of one
    channel's forecast when the other channels of the context are replaced. spread: share of draws that differ
    from the median. reach: largest |f| over the largest |x|, which tells a forecast from zeros.
    """

    context: Count = 512
    horizon: Count = 100
    paths: Count = 3
    dim: Count = 3

    def measure(self, run: Run) -> Scores:
        """All on one file of weights."""
        draws = torch.randn(2, self.paths, self.context, self.dim, generator=run.generator, dtype=torch.float64)
        x, other = draws.cumsum(2)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights.pt"
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(int(run.numpy.integers(2**31)))
                PatchTransformer(Sizes()).save(path)
            model, again = (self._loaded(path, x) for _ in range(2))
            elsewhere = self._loaded(path, other)
            single = self._loaded(path, x, stride=Sizes().patch)
            short = self._loaded(path, x, window=self.context // 2)
        forecast = model.forecast(Trajectories(x), self.horizon)
        size = float(forecast.abs().max())

        def gap(answer: Float[Tensor, "trajectory horizon dim"], expected: Tensor = forecast) -> float:
            return float((answer - expected).abs().max()) / size

        order = torch.randperm(self.dim, generator=run.generator).roll(1)
        replaced = torch.cat([x[..., :1], other[..., 1:]], dim=2)
        earlier = torch.cat([other[:, : self.context // 2], x[:, self.context // 2 :]], dim=1)
        sampled = model.sample(Trajectories(x), self.horizon, 8, run.generator)
        return Scores(
            {
                "permuted_gap": gap(model.forecast(Trajectories(x[..., order]), self.horizon), forecast[..., order]),
                "repeated_gap": gap(again.forecast(Trajectories(x), self.horizon)),
                "training_gap": gap(elsewhere.forecast(Trajectories(x), self.horizon)),
                "rolled_gap": gap(single.forecast(Trajectories(x), self.horizon)),
                "window_gap": gap(
                    short.forecast(Trajectories(earlier), self.horizon), short.forecast(Trajectories(x), self.horizon)
                ),
                "channel_effect": gap(model.forecast(Trajectories(replaced), self.horizon)[..., :1], forecast[..., :1]),
                "spread": float((sampled != forecast[:, None]).double().mean()),
                "reach": size / float(x.abs().max()),
            }
        )

    def _loaded(self, path: Path, train: Tensor, **fields: int) -> ZeroShotModel:
        method = PatchDecoder(weights=str(path), **fields)  # type: ignore[arg-type]
        paths = Trajectories(train)
        return method.fit_forecaster(Forecasting(paths, paths, self.context), Run())
