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
    """W = (F'F + penalty I)^{-1} F'Y, the minimizer of |F W - Y|^2 + penalty |W|^2; the shortest minimizer where it has many.

    The penalty is absolute. By QR and SVD of F itself, never of F'F, which would square its condition: dependent columns are no
    error, and directions below rounding, max(shape) eps of the largest, get no weight. Use float64.
    """
    singular, left, right = _decomposed(features, targets)
    below = max(features.shape[-2:]) * torch.finfo(features.dtype).eps * singular[..., :1]
    shrunk = torch.where(singular > below, singular / (singular.square() + penalty), 0.0)
    return right @ (shrunk[..., None] * left)


def _decomposed(
    features: Float[Tensor, "*seed sample feature"], targets: Float[Tensor, "*seed sample target"]
) -> tuple[Float[Tensor, "*seed k"], Float[Tensor, "*seed k target"], Float[Tensor, "*seed feature k"]]:
    """S, U'Y and V of F = U S V', through the triangular factor of [F Y]: nothing of the size of F is kept."""
    columns = features.shape[-1]
    factor = torch.linalg.qr(torch.cat([features, targets], dim=-1), mode="r").R
    left, singular, right = torch.linalg.svd(factor[..., :columns], full_matrices=False)
    return singular, left.mT @ factor[..., columns:], right.mT


def ridge_of_moments(
    gram: Float[Tensor, "*seed feature feature"], cross: Float[Tensor, "*seed feature target"], penalty: float
) -> Float[Tensor, "*seed feature target"]:
    """(G + penalty I)^{-1} C of G = F'F and C = F'Y, where these were summed piece by piece, by Cholesky.

    Half the digits of `ridge`. Raises torch.linalg.LinAlgError when G + penalty I is singular to rounding: callers must have
    an answer to that.
    """
    gram = gram.clone()
    gram.diagonal(dim1=-2, dim2=-1).add_(penalty)
    return torch.cholesky_solve(cross, torch.linalg.cholesky(gram))


def ridge_path(
    features: Float[Tensor, "sample feature"], targets: Float[Tensor, "sample target"], penalties: Sequence[float]
) -> Float[Tensor, "penalty feature target"]:
    """The ridge solutions of several relative penalties, by one decomposition of the features.

    Columns are scaled to mean square 1 first; penalty p then stands for p times the number of samples. By QR and SVD of F: from
    F'F, squared singular values below 1e-16 of the largest are noise, and noise-free data is then fitted as BLAS rounds. float64.
    """
    scale = features.square().mean(0).sqrt()
    # A column that is rounding beside the largest (a lag that no sequence reaches, through an FFT) is no feature.
    real = scale > _ROUNDING * scale.amax() if scale.numel() else scale > 0
    scale = torch.where(real, scale, 1.0)
    singular, rotated, vectors = _decomposed(torch.where(real, features / scale, 0.0), targets)
    squares, count = singular.square(), len(features)
    below = max(features.shape) * torch.finfo(features.dtype).eps * singular[:1]
    sizes = torch.where(singular > below, singular, 0.0)
    shrunk = torch.stack([(sizes / (squares + p * count))[:, None] * rotated for p in penalties])
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
