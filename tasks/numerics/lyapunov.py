"""Lyapunov spectra by repeated QR (Benettin)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from dynamark.tasks.problems import HasJacobian

__all__ = ["kaplan_yorke", "lyapunov_spectrum"]


def lyapunov_spectrum(
    model: HasJacobian, contexts: Any, steps: int, burn_in: int = 200, starts: int = 8
) -> Float[Tensor, "start exponent"]:
    """l_i = mean of ln |R_ii| over Q R = J(z_t) Q, per step (divide by dt for a rate), averaged along orbits.

    The orbits advance together. Exponents come in descending order; an orbit that leaves every bound gives NaN.
    """
    spread = torch.linspace(0, len(contexts) - 1, min(starts, len(contexts))).long()
    state = model.initial_state(contexts)[spread].double()
    for _ in range(burn_in):
        state = model.step(state)
    q = torch.eye(state.shape[-1], dtype=state.dtype).expand(len(state), -1, -1).contiguous()
    total = torch.zeros_like(state)
    for _ in range(steps):
        if not torch.isfinite(state).all():
            return torch.full_like(total, torch.nan)
        q, r = torch.linalg.qr(model.jacobian(state) @ q)
        total += r.diagonal(dim1=-2, dim2=-1).abs().log()
        state = model.step(state)
    return (total / steps).sort(dim=-1, descending=True).values


def kaplan_yorke(exponents: Float[Tensor, " exponent"]) -> float:
    """D = j + (l_1 + ... + l_j) / |l_{j+1}|, j the largest index with a sum that is not negative."""
    ordered = exponents.sort(descending=True).values
    sums = ordered.cumsum(0)
    j = int((sums >= 0).sum())
    if j == 0 or j == len(ordered):
        return float(j)
    return j + float(sums[j - 1] / ordered[j].abs())
