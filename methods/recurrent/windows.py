"""Random windows of training trajectories."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from dynamark.errors import UserError

__all__ = ["draw_windows"]


def draw_windows(
    data: Float[Tensor, "trajectory time dim"], count: int, length: int, noise: float, generator: torch.Generator
) -> Float[Tensor, "window length dim"]:
    """`count` windows of `length` samples, with starts uniform over all trajectories, plus `noise` times N(0, 1).

    Raises UserError if the trajectories are shorter than a window.
    """
    trajectories, time, dim = data.shape
    if time < length:
        raise UserError(
            f"trajectories of {time} samples are too short for windows of {length} samples: decrease the window"
        )
    places = torch.randint(trajectories * (time - length + 1), (count,), generator=generator)
    starts = places // (time - length + 1) * time + places % (time - length + 1)
    windows = data.reshape(-1, dim)[starts[:, None] + torch.arange(length)]
    if noise:
        windows = windows + noise * torch.randn(windows.shape, generator=generator, dtype=data.dtype)
    return windows
