"""Singular value projection: projected gradient descent with a constant step size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dynamark.methods.fields import Positive, SearchSpace
from dynamark.methods.sensing.manifold import IterativeHardThresholding

__all__ = ["SingularValueProjection"]


@dataclass(frozen=True)
class SingularValueProjection(IterativeHardThresholding):
    """X <- P_k(X - mu A*(A(X) - y)) with a constant step size mu; spectral initialization, two passes per step.

    step: mu. The analysis of the paper takes 1/(1 + delta), delta the restricted isometry constant: about .7. Iterates can leave
    the matrices for which this constant is small, and diverge; mu below 2 over the largest eigenvalue of A*A (for sampled
    entries: the share of entries that are known) cannot increase the residual.

    Source: Jain, Meka and Dhillon, Guaranteed rank minimization via singular value projection, NeurIPS 2010, algorithm 1.
    key: jain2010
    """

    step: Positive = 0.7
    search_space: ClassVar[SearchSpace] = {"step": (0.7, 0.35, 0.1, 0.03)}
