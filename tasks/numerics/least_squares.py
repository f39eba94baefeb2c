"""Linear least squares with a ridge: the head of every method that fits a linear map of features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["PENALTIES", "ridge", "ridge_of_moments", "ridge_path", "validated_ridge"]

# Size of a column beside the largest, below which it is rounding.
_ROUNDING = 1e-14

# Penalties that a validated ridge tries: relative to the mean square of a feature, so that units do not matter.
PENALTIES: tuple[float, ...] = tuple(10.0**k for k in range(-14, 1))


def ridge(
    features: Float[Tensor, "*seed sample feature"],
    targets: Float[Tensor, "*seed sample target"],
    penalty: float,
) -> Float[Tensor, "*seed feature target"]:
    """W = (F'F + penalty I)^{-1} F'Y, the minimizer of |F W - Y|^2 + penalty |W|^2.

    The Gram matrix is not normalized: `penalty` is absolute. Solved by Cholesky in the type of the features (use float64).
    Raises torch.linalg.LinAlgError when F'F + penalty I is singular to rounding.
    """
    return ridge_of_moments(features.mT @ features, features.mT @ targets, penalty)


def ridge_of_moments(
    gram: Float[Tensor, "*seed feature feature"], cross: Float[Tensor, "*seed feature target"], penalty: float
) -> Float[Tensor, "*seed feature target"]:
    """(G + penalty I)^{-1} C of G = F'F and C = F'Y, where these were summed piece by piece. Errors as in `ridge`."""
    gram = gram.clone()
    gram.diagonal(dim1=-2, dim2=-1).add_(penalty)
    return torch.cholesky_solve(cross, torch.linalg.cholesky(gram))


def ridge_path(
    features: Float[Tensor, "sample feature"], targets: Float[Tensor, "sample target"], penalties: Sequence[float]
) -> Float[Tensor, "penalty feature target"]:
    """The ridge solutions of several relative penalties, by one eigendecomposition of the Gram matrix.

    Columns are scaled to mean square 1 first; penalty p then stands for p times the number of samples. float64.
    """
    scale = features.square().mean(0).sqrt()
    # A column that is rounding beside the largest (a lag that no sequence reaches, through an FFT) is no feature.
    real = scale > _ROUNDING * scale.amax() if scale.numel() else scale > 0
    scale = torch.where(real, scale, 1.0)
    scaled = torch.where(real, features / scale, 0.0)
    values, vectors = torch.linalg.eigh(scaled.T @ scaled)
    rotated = vectors.T @ (scaled.T @ targets)
    count = len(features)
    shrunk = torch.stack([rotated / (values.clamp(min=0) + p * count)[:, None] for p in penalties])
    return (vectors @ shrunk) / scale[:, None]


def validated_ridge(
    features: Float[Tensor, "sample feature"],
    targets: Float[Tensor, "sample target"],
    held_features: Float[Tensor, "held feature"],
    held_targets: Float[Tensor, "held target"],
    penalties: Sequence[float] = PENALTIES,
) -> Float[Tensor, "feature target"]:
    """The ridge solution whose relative penalty has the least squared error on held-out data; the smallest of equals."""
    path = ridge_path(features, targets, penalties)
    errors = (held_features @ path - held_targets).square().mean(dim=(1, 2))
    return path[int(torch.nan_to_num(errors, nan=torch.inf).argmin())]
