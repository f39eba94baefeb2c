"""Chronos through the package chronos-forecasting, an optional extra: `pip install 'dynamark[zeroshot]'`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.errors import UserError
from dynamark.methods.pretrained.zero_shot import Backbone, Pretrained

__all__ = ["Chronos"]

_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Chronos(Pretrained):
    """Quantiles of the next values by a Chronos or Chronos-Bolt model from a local folder; see `Pretrained` for the fields.

    Models that sample (the first generation) draw from torch's global generator, which is seeded before each call and restored.

    Source: Ansari et al. 2024, Chronos: Learning the Language of Time Series.
    key: ansari2024
    """

    def backbone(self, path: Path, device: torch.device) -> Backbone:
        """The pipeline of a local folder; the network is not asked, even if a file is missing."""
        try:
            chronos = importlib.import_module("chronos")
        except ImportError as missing:
            raise UserError(f"chronos is not installed ({missing}); pip install 'dynamark[zeroshot]'") from None
        try:
            pipeline = chronos.BaseChronosPipeline.from_pretrained(
                str(path), device_map=str(device), torch_dtype=torch.float32, local_files_only=True
            )
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{path} is not the folder of a Chronos model: {str(error).splitlines()[0]}") from None
        return _Pipeline(pipeline)


@dataclass(frozen=True)
class _Pipeline:
    """A pipeline of the package as a backbone."""

    pipeline: Any
    levels: tuple[float, ...] = _LEVELS

    def quantiles(self, series: Float[Tensor, "series time"], horizon: int) -> Float[Tensor, "series horizon quantile"]:
        """By `predict_quantiles`, with torch's global generator seeded for the call."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            quantiles, _ = self.pipeline.predict_quantiles(
                series.float(), prediction_length=horizon, quantile_levels=list(self.levels)
            )
        return torch.as_tensor(quantiles)

    def parameter_count(self) -> int:
        """The number of weights of the inner model."""
        return sum(weight.numel() for weight in self.pipeline.inner_model.parameters())
