"""Ridge regression: the linear readout of all methods that fit a linear map of features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["PENALTIES", "ridge", "ridge_of_moments", "ridge_path", "validated_ridge"]

# Columns with an rms below this, relative to the largest, are rounding errors.
_ROUNDING = 1e-14

# Candidate penalties of a validated ridge, relative to the mean square of a feature, so independent of units.
PENALTIES: tuple[float, ...] = tuple(10.0**k for k in range(-14, 1))


def ridge(
    features: Float[Tensor, "*seed sample feature"],
    targets: Float[Tensor, "*seed sample target"],
    penalty: float,
) -> Float[Tensor, "*seed feature target"]:
    """W = (F'F + penalty I)^{-1} F'Y, the minimizer of |F W - Y|^2 + penalty |W|^2 (of minimum norm).

    The penalty is absolute. Computed by QR and SVD of F, not of F'F, which would square the condition number: collinear columns
    are allowed, and singular values below max(shape) eps times the largest are dropped. Use float64.
    """
    singular, left, right = _decomposed(features, targets)
    cutoff = max(features.shape[-2:]) * torch.finfo(features.dtype).eps * singular[..., :1]
    filters = torch.where(singular > cutoff, singular / (singular.square() + penalty), 0.0)
    return right @ (filters[..., None] * left)


def _decomposed(
    features: Float[Tensor, "*seed sample feature"], targets: Float[Tensor, "*seed sample target"]
) -> tuple[Float[Tensor, "*seed k"], Float[Tensor, "*seed k target"], Float[Tensor, "*seed feature k"]]:
    """S, U'Y and V of F = U S V', from the triangular factor of [F Y]."""
    columns = features.shape[-1]
    factor = torch.linalg.qr(torch.cat([features, targets], dim=-1), mode="r").R
    left, singular, right = torch.linalg.svd(factor[..., :columns], full_matrices=False)
    return singular, left.mT @ factor[..., columns:], right.mT


def ridge_of_moments(
    gram: Float[Tensor, "*seed feature feature"], cross: Float[Tensor, "*seed feature target"], penalty: float
) -> Float[Tensor, "*seed feature target"]:
    """(G + penalty I)^{-1} C of G = F'F and C = F'Y, summed over chunks of samples, by Cholesky.

    Has half the digits of `ridge`. Raises torch.linalg.LinAlgError if G + penalty I is singular to rounding, which callers must
    handle.
    """
    gram = gram.clone()
    gram.diagonal(dim1=-2, dim2=-1).add_(penalty)
    return torch.cholesky_solve(cross, torch.linalg.cholesky(gram))


def ridge_path(
    features: Float[Tensor, "sample feature"], targets: Float[Tensor, "sample target"], penalties: Sequence[float]
) -> Float[Tensor, "penalty feature target"]:
    """Ridge solutions for several relative penalties, from one decomposition of the features.

    Columns are scaled to mean square 1, and the absolute penalty is p times the number of samples. By QR and SVD of F: in F'F,
    squared singular values below 1e-16 of the largest are lost, so fits of noise-free data would depend on BLAS. Use float64.
    """
    scale = features.square().mean(0).sqrt()
    # Drop columns of rounding errors: FFT convolution with lags beyond the length of all sequences.
    significant = scale > _ROUNDING * scale.amax() if scale.numel() else scale > 0
    scale = torch.where(significant, scale, 1.0)
    singular, rotated, vectors = _decomposed(torch.where(significant, features / scale, 0.0), targets)
    squares, count = singular.square(), len(features)
    cutoff = max(features.shape) * torch.finfo(features.dtype).eps * singular[:1]
    sizes = torch.where(singular > cutoff, singular, 0.0)
    solutions = torch.stack([(sizes / (squares + p * count))[:, None] * rotated for p in penalties])
    return (vectors @ solutions) / scale[:, None]


def validated_ridge(
    features: Float[Tensor, "sample feature"],
    targets: Float[Tensor, "sample target"],
    held_features: Float[Tensor, "held feature"],
    held_targets: Float[Tensor, "held target"],
    penalties: Sequence[float] = PENALTIES,
) -> Float[Tensor, "feature target"]:
    """The ridge solution of the relative penalty with the smallest error on held-out data; the smaller of equals."""
    path = ridge_path(features, targets, penalties)
    errors = (held_features @ path - held_targets).square().mean(dim=(1, 2))
    return path[int(torch.nan_to_num(errors, nan=torch.inf).argmin())]
