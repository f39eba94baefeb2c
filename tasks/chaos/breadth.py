"""Reconstruction tasks in breadth: a table of flows, a ring of forty sites, a partial differential equation, a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.errors import unknown
from dynamark.tasks.base import Metric
from dynamark.tasks.chaos import extended, metrics
from dynamark.tasks.chaos.flows import FLOWS
from dynamark.tasks.chaos.systems import System
from dynamark.tasks.chaos.tasks import Reconstruction
from dynamark.tasks.problems import Forecasting, ForecastingQuery

__all__ = ["ChialvoNetwork", "Flows", "KuramotoSivashinsky22", "Lorenz96Large"]


@dataclass(frozen=True, kw_only=True)
class Flows(Reconstruction):
    """x' = f(x), the chaotic flow named by the field `flow`, sampled a hundred times per mean period.

    Equations, parameters, Lyapunov spectra and sources of all flows are in `tasks/chaos/flows_*.py`. Initial states are close to
    the attractor, because many of these flows diverge from distant states; free runs from the bounding box of the data are
    therefore not part of the query. Source of the selection: Gilpin 2021.

    flow: one of aizawa, blasius, burke_shaw, chen, chen_lee, dadras, finance, genesio_tesi, halvorsen,
        hastings_powell, laser, lorenz84, lu_chen, newton_leipnik, pehlivan_wei, qi_chen, rabinovich_fabrikant,
        rikitake_dynamo, rucklidge, shimizu_morioka, vallis_el_nino, wang_sun, hyper_jha, hyper_wang, lorenz_coupled,
        lorenz_stenflo, lotka_volterra4, sprott_b, sprott_c, sprott_d, sprott_e, sprott_f, sprott_g, sprott_h,
        sprott_j, sprott_jerk, sprott_k, sprott_l, sprott_m, sprott_n, sprott_o, sprott_p, sprott_q, sprott_r,
        sprott_s.
    """

    flow: str = "halvorsen"
    train: int = 10_000
    test: int = 20_000

    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"train": 5000, "test": 5000, "windows": 20, "updates": 300},
        "standard": {},
        "large": {"train": 100_000, "test": 100_000, "updates": 100_000},
    }
    metrics: ClassVar[tuple[Metric, ...]] = tuple(m for m in Reconstruction.metrics if m.name != "basin")

    def __post_init__(self) -> None:
        if self.flow not in FLOWS:
            raise unknown("flow", self.flow, list(FLOWS))

    @property
    def system(self) -> System:  # type: ignore[override]
        """The flow with its sampling."""
        return FLOWS[self.flow].system

    def problem(self, seed: int) -> Forecasting:
        """As for other reconstructions, without free runs from the bounding box of the data."""
        problem = super().problem(seed)
        assert problem.query is not None
        rollouts = {name: rollout for name, rollout in problem.query.rollouts.items() if name != "places"}
        query = ForecastingQuery(rollouts, lyapunov_steps=problem.query.lyapunov_steps)
        return Forecasting(problem.train, problem.validation, problem.context, query)


@dataclass(frozen=True, kw_only=True)
class Lorenz96Large(Reconstruction):
    """x_i' = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + 8, forty sites on a ring, sampled every 0.04 (Lorenz 1996).

    Largest Lyapunov exponent 1.683 per unit of time; 13 exponents are positive. D_stsp is that of three neighboring sites, pooled
    over eight places of the ring, because mixtures of Gaussians in forty dimensions do not tell an orbit from Gaussian noise of
    its covariance.
    """

    system: ClassVar[System] = extended.LORENZ96_40
    plane: ClassVar[tuple[int, int]] = (0, 1)

    def divergence(self, truth: ndarray, generated: ndarray, seed: int) -> float:
        """D_stsp by cells of three neighboring sites, of which every fifth triple counts."""
        return metrics.state_space_divergence(_triples(truth), _triples(generated))


def _triples(x: Float[ndarray, "time site"]) -> Float[ndarray, "point 3"]:
    """The values of sites i, i + 1, i + 2 at all times, i = 0, 5, 10, ..."""
    return np.concatenate([x[:, i : i + 3] for i in range(0, x.shape[1] - 2, 5)])


@dataclass(frozen=True, kw_only=True)
class KuramotoSivashinsky22(Reconstruction):
    """u_t = -u u_x - u_xx - u_xxxx, periodic, length 22, 64 grid points, spatial mean 0, sampled every 1 (ETDRK4, step 0.25).

    Largest Lyapunov exponent 0.0489 per unit of time. Source: Cvitanovic, Davidchack & Siminos 2010.
    """

    train: int = 10_000
    test: int = 10_000

    system: ClassVar[System] = extended.KS22
    tiers: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": {"train": 1000, "test": 1000, "windows": 10, "updates": 300},
        "standard": {},
        "large": {"train": 50_000, "test": 50_000, "updates": 100_000},
    }
    plane: ClassVar[tuple[int, int]] = (0, 16)


@dataclass(frozen=True, kw_only=True)
class ChialvoNetwork(Reconstruction):
    """A ring-star network of four Chialvo neurons, a map: the hub, node 0, is coupled to the three nodes of a ring.

    x_i <- x_i^2 exp(y_i - x_i) + 0.04 + C_i, y_i <- 0.89 y_i - 0.6 x_i + 0.28, C_0 = -0.1 sum_j (x_j - x_0) and, on the ring,
    C_i = -0.1 (x_0 - x_i) - 0.1 sum_j (x_j - x_i). All eight coordinates are observed at every iterate. Two exponents are
    positive, the largest is 0.150 per iterate. The strengths and signs of the coupling are ours. Source: Nair, Ghosh, Fatoyinbo &
    Muni 2024.
    """

    system: ClassVar[System] = extended.CHIALVO4
    plane: ClassVar[tuple[int, int]] = (0, 4)
