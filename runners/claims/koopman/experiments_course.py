"""How often should a Koopman autoencoder return to the state? Four members a system, all periods on the same trained models."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy import ndarray

from dynamark.methods.koopman.autoencoder import KoopmanAutoencoder
from dynamark.methods.koopman.lifted import LiftedModel, clipped
from dynamark.tasks.base import Curve, Scores
from dynamark.tasks.koopman import systems
from dynamark.tasks.koopman.metrics import deviation, nrmse
from dynamark.tasks.koopman.systems import ODE, Flow, Sampler, box
from dynamark.tasks.problems import Forecasting, Run, Trajectories

__all__ = ["CourseCorrection"]

PERIODS = (0, 1, 2, 5, 8, 10, 16, 25, 50)

_DUFFING = box((-1.5, -1.0), (1.5, 1.0))
SETTINGS: dict[str, tuple[Flow, Sampler]] = {
    "pendulum": (ODE(systems.pendulum(), 1), box((-2.5, -0.5), (2.5, 0.5))),
    "duffing": (ODE(systems.duffing(0.5), 2), _DUFFING),
    "duffing_undamped": (ODE(systems.duffing(0.0), 2), _DUFFING),
    "lotka_volterra": (ODE(systems.lotka_volterra(1.0, 1.0, 1.0, 1.0), 1), box((0.4, 0.4), (1.8, 1.8))),
}


@dataclass(frozen=True)
class CourseCorrection:
    """nrmse, averaged over 500 steps of 0.1 on 100 test trajectories, by the period of re-encoding (0 never, 1 every step).

    Trained on 200 trajectories of 100 steps. The control clips the moduli of K's eigenvalues to 1: what then remains of the
    gain is not stability alone.
    """

    system: Literal["pendulum", "duffing", "duffing_undamped", "lotka_volterra"] = "pendulum"
    members: int = 4
    steps: int = 1500

    def measure(self, run: Run) -> Scores:
        """Means over members by period, the share of members where 5 wins, the best period, and the same after clipping."""
        flow, starts = SETTINGS[self.system]
        data = [
            [flow(starts(run.numpy, n), 0.1, t) for n, t in ((200, 100), (20, 100), (100, 500))]
            for _ in range(self.members)
        ]
        problems = [Forecasting(_given(train), _given(held_out)) for train, held_out, _ in data]
        runs = [Run((*run.entropy, i)) for i in range(self.members)]
        models = KoopmanAutoencoder(steps=self.steps, reencode_every=0).fit_forecasters(problems, runs)
        plain = np.array([_by_period(m, sets) for m, sets in zip(models, data, strict=True)])
        bounded = [replace(m, matrix=clipped(m.matrix)) for m in models]
        control = np.array([_by_period(m, sets) for m, sets in zip(bounded, data, strict=True)])
        never, every, fifth = (PERIODS.index(k) for k in (0, 1, 5))
        wins = (plain[:, fifth] < plain[:, never]) & (plain[:, fifth] < plain[:, every])
        values = {
            "wins": float(wins.mean()),
            "wins_clipped": float((control[:, fifth] < control[:, never]).mean()),
            "best_period": float(PERIODS[int(plain.mean(axis=0).argmin())]),
            **{f"nrmse_{k}": float(plain[:, PERIODS.index(k)].mean()) for k in PERIODS},
            **{f"clipped_{k}": float(control[:, PERIODS.index(k)].mean()) for k in (0, 1, 5)},
            "rho": float(np.mean([float(m.eigenvalues().abs().max()) for m in models])),
        }
        return Scores(values, (Curve("nrmse_by_period", np.array(PERIODS, float), plain.mean(axis=0)),))


def _given(x: ndarray) -> Trajectories:
    return Trajectories(torch.from_numpy(x), dt=0.1)


def _by_period(model: LiftedModel, sets: list[ndarray]) -> list[float]:
    train, _, test = sets
    flat, start = train.reshape(-1, train.shape[2]), _given(test[:, :1])
    errors = []
    with torch.no_grad():
        for period in PERIODS:
            forecast = replace(model, relift=period).forecast(start, test.shape[1] - 1).numpy()
            errors.append(
                float(nrmse(deviation(test[:, 1:], forecast, flat.mean(axis=0), flat.std(axis=0)).error).mean())
            )
    return errors
