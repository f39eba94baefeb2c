"""Lyapunov spectra by repeated QR factorization (Benettin)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.tasks.numerics.maps import compiled_map, spectrum

if TYPE_CHECKING:
    from dynamark.tasks.problems import HasJacobian

__all__ = ["kaplan_yorke", "lyapunov_spectrum"]

_BOUND = 1e12  # times the largest entry of the initial states: orbits beyond it have diverged


def lyapunov_spectrum(
    model: HasJacobian,
    contexts: Any,
    steps: int,
    burn_in: int = 200,
    starts: int = 8,
    count: int | None = None,
    every: int = 1,
) -> Float[Tensor, "start exponent"]:
    """l_i = mean of ln |R_ii| over Q R = J(z_t) Q, per step (divide by dt for rates).

    A batch of orbits starts from `starts` evenly spaced contexts; averages begin after `burn_in` steps of the state and of Q.
    Exponents are in descending order; a diverging orbit gives NaN.
    count: number of leading exponents; by default the number of observed channels, at least three, since
        further exponents of a model with memory do not describe the system.
    every: steps between two factorizations; e^(spread of the exponents x every) must be far below 1e16.
    A model may define `tangent(state, q)` = J(state) q, to avoid the Jacobian of a large state, and `as_map()`, to run compiled:
    see `maps.CompiledMap`.
    Source: Benettin, Galgani, Giorgilli & Strelcyn 1980; Eckmann & Ruelle 1985, section V.
    """
    spread = torch.linspace(0, len(contexts) - 1, min(starts, len(contexts))).long()
    state = model.initial_state(contexts)[spread].double()
    bound = _BOUND * (float(state.abs().max()) or 1.0)
    alive = torch.ones(len(state), dtype=torch.bool)
    exponents = min(max(contexts.dim, 3) if count is None else count, state.shape[-1])
    compiled = compiled_map(model)
    if compiled is not None and state.device.type == "cpu":
        return spectrum(compiled, state, exponents, steps, burn_in, every).sort(dim=-1, descending=True).values
    q = torch.eye(state.shape[-1], exponents, dtype=state.dtype, device=state.device).repeat(len(state), 1, 1)
    total = q.new_zeros(len(state), exponents)
    push = getattr(model, "tangent", lambda point, vectors: model.jacobian(point).double() @ vectors)
    for step in range(1, burn_in + steps + 1):
        q = push(state, q).double()
        if step % every == 0 or step in (burn_in, burn_in + steps):
            q, r = torch.linalg.qr(q)
            if step > burn_in:
                total += r.diagonal(dim1=-2, dim2=-1).abs().log()
        state, alive = _reset_diverged(model.step(state), alive, bound)
    total = torch.where(alive[:, None].to(total.device), total / steps, torch.nan)
    return total.sort(dim=-1, descending=True).values


def _reset_diverged(state: Tensor, alive: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """Set diverged orbits to zero and mark them as not alive: keeps NaN out of the factorizations."""
    finite = (state.abs() < bound).all(dim=-1)
    return torch.where(finite[:, None], state, 0.0), alive & finite.cpu()


def kaplan_yorke(exponents: Float[Tensor, " exponent"]) -> float:
    """D = j + (l_1 + ... + l_j) / |l_{j+1}|, j the largest index with a non-negative sum.

    0 if l_1 < 0; the number of exponents if all sums are non-negative. Source: Kaplan & Yorke 1979.
    """
    ordered = exponents.sort(descending=True).values
    sums = ordered.cumsum(0)
    negative = (sums < 0).nonzero()
    j = int(negative[0]) if len(negative) else len(ordered)
    if j in (0, len(ordered)):
        return float(j)
    return j + float(sums[j - 1] / ordered[j].abs())
