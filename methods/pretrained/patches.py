"""A decoder-only transformer on patches of a series: the smallest model of the family, for weights of your own."""

from __future__ import annotations

import pickle
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dynamark.errors import UserError
from dynamark.methods.pretrained.zero_shot import Backbone, Pretrained

__all__ = ["PatchDecoder", "PatchTransformer", "Sizes"]


@dataclass(frozen=True)
class Sizes:
    """patch: values per token. width, layers, heads: of the transformer. levels: of the quantiles that it predicts."""

    patch: int = 16
    width: int = 16
    layers: int = 1
    heads: int = 2
    levels: tuple[float, ...] = (0.1, 0.5, 0.9)


class PatchTransformer(nn.Module):
    """q(x_{t+1..t+p}) from the patches up to t: causal attention over tokens of p values, each token predicts the next patch.

    The series is scaled by its mean and standard deviation. Positions are sinusoidal: contexts may have any length.
    Source: the model class of Das et al. 2024, A decoder-only foundation model for time-series forecasting.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.embed = nn.Linear(sizes.patch, sizes.width)
        layer = nn.TransformerEncoderLayer(
            sizes.width, sizes.heads, 4 * sizes.width, dropout=0.0, batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, sizes.layers, enable_nested_tensor=False)
        self.head = nn.Linear(sizes.width, sizes.patch * len(sizes.levels))

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels of the quantiles."""
        return self.sizes.levels

    def forward(self, series: Float[Tensor, "series time"]) -> Float[Tensor, "series patch quantile"]:
        """The quantiles of the patch after the series, in units of the scaled series."""
        p = self.sizes.patch
        padded = nn.functional.pad(series, (-series.shape[1] % p, 0))  # zeros, the mean, before the first value
        tokens = self.embed(padded.reshape(len(padded), -1, p))
        tokens = tokens + _positions(tokens.shape[1], self.sizes.width).to(tokens)
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1], device=tokens.device, dtype=tokens.dtype)
        out: Tensor = self.head(self.blocks(tokens, mask=mask, is_causal=True)[:, -1])
        return out.reshape(len(out), p, -1)

    def quantiles(self, series: Float[Tensor, "series time"], horizon: int) -> Float[Tensor, "series horizon quantile"]:
        """Patches one after the other; medians are fed back."""
        mean, scale = series.mean(1, keepdim=True), series.std(1, keepdim=True).clamp_min(1e-12)
        seen = ((series - mean) / scale).to(self.head.weight)
        patches: list[Tensor] = []
        while sum(patch.shape[1] for patch in patches) < horizon:
            patches.append(self(seen))
            seen = torch.cat([seen, patches[-1].median(dim=-1).values], dim=1)
        ahead = torch.cat(patches, dim=1)[:, :horizon].double().cpu()
        return ahead * scale[..., None] + mean[..., None]

    def parameter_count(self) -> int:
        """The number of weights."""
        return sum(weight.numel() for weight in self.parameters())

    def save(self, path: Path) -> None:
        """Write sizes and weights as plain tensors and numbers, readable with `weights_only`."""
        torch.save({"sizes": asdict(self.sizes), "weights": self.state_dict()}, path)


def _positions(count: int, width: int) -> Float[Tensor, "token width"]:
    """Sines and cosines of the distance from the last token, so that a longer context moves no token."""
    at = torch.arange(count - 1, -1, -1, dtype=torch.float64)[:, None]
    rates = torch.exp(-torch.arange(0, width, 2, dtype=torch.float64) / width * 9.21)
    return torch.stack([torch.sin(at * rates), torch.cos(at * rates)], dim=-1).flatten(1)[:, :width]


@dataclass(frozen=True)
class PatchDecoder(Pretrained):
    """Quantiles of the next values by a `PatchTransformer` from a file; see `Pretrained` for the fields.

    The file is what `PatchTransformer.save` writes; it is read as data, no code in it is executed.
    """

    def backbone(self, path: Path, device: torch.device) -> Backbone:
        """Read sizes and weights."""
        try:
            saved: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
            known = {field.name for field in fields(Sizes)}
            sizes = Sizes(**{name: value for name, value in saved["sizes"].items() if name in known})
            model = PatchTransformer(Sizes(**{**asdict(sizes), "levels": tuple(sizes.levels)}))
            model.load_state_dict(saved["weights"])
        except (
            OSError,
            LookupError,
            EOFError,
            TypeError,
            RuntimeError,
            AttributeError,
            ValueError,
            pickle.UnpicklingError,
        ) as error:
            reason = (str(error).splitlines() or [""])[0]
            raise UserError(f"{path} does not hold a PatchTransformer, write it with save(): {reason}") from None
        return model.eval().to(device)
