"""Switching particles that take over each other's modes: a filter that knows of meetings against one that does not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

from dynamark.runners.claims.chaos.experiments_mode_filter import (
    MAPS,
    RADIUS,
    REDRAW,
    Filtered,
    ModeFilter,
    Sequences,
    meetings,
    simulated,
)
from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["SwitchingParticles"]

# Probabilities below this one count as it in the logarithmic loss.
_LEAST = 1e-6


@dataclass(frozen=True)
class SwitchingParticles:
    """Predict the next mode of each of three particles from positions alone: 200 sequences to learn, 50 to validate, 100 to test.

    interacting: whether particles that meet take over each other's modes. fixed_omega: a probability of taking over that is not
    learned; -1: it is learned.
    Scores of modes after the best matching: `loss`, mean of -ln p(mode of the next step), of the filter that knows of meetings,
    `plain_loss`, of the one that does not (a switching linear dynamical system), `ratio`, and `true_loss`, of the filter with the
    true parameters; `switch_accuracy` and `plain_switch_accuracy`, the share of right predictions where the mode changes;
    `accuracy` and `plain_accuracy`, of filtered modes; `omega`, the learned probability of taking over; `radius`, the chosen
    distance; `meeting_rate`, of a pair and a step, and `meeting_switches`, the share of changes of mode at meetings.
    Source: Liu, Magliacane, Kofinas and Gavves, Graph Switching Dynamical Systems, 2023; the particles and the filter are ours.
    """

    interacting: bool = True
    fixed_omega: float = -1.0
    train: int = 200
    steps: int = 99

    def measure(self, run: Run) -> Scores:
        """One draw of sequences."""
        rng = run.numpy
        train, validation, test = (
            simulated(count, self.steps, self.interacting, rng) for count in (self.train, 50, 100)
        )
        model = ModeFilter.fitted(train.x, validation.x, True, rng)
        if self.fixed_omega >= 0:
            model = replace(model, omega=self.fixed_omega)
        plain = replace(model, omega=0.0).learned(train.x)
        true = ModeFilter(MAPS, redraw=REDRAW, omega=float(self.interacting), radius=RADIUS)
        graph, alone, best = (_judged(one.run(test.x), test) for one in (model, plain, true))
        met = meetings(test.x, RADIUS)[:, 1:]
        changed = test.mode[:, 1:] != test.mode[:, :-1]
        return Scores(
            {
                "loss": graph["loss"],
                "plain_loss": alone["loss"],
                "true_loss": best["loss"],
                "ratio": graph["loss"] / alone["loss"],
                "switch_accuracy": graph["switch_accuracy"],
                "plain_switch_accuracy": alone["switch_accuracy"],
                "accuracy": graph["accuracy"],
                "plain_accuracy": alone["accuracy"],
                "omega": model.omega,
                "radius": model.radius,
                "meeting_rate": float(met.sum() / 2 / (met[..., 0, 0].size * 3)),
                "meeting_switches": float(changed[met.any(axis=3)].mean()),
            }
        )


def _judged(seen: Filtered, test: Sequences) -> dict[str, float]:
    """Scores of the modes of steps from the second on."""
    order = _matching(seen.filtered.argmax(axis=3), test.mode, seen.filtered.shape[3])
    predicted, filtered = (part[..., order][:, 1:] for part in (seen.predicted, seen.filtered))
    truth = test.mode[:, 1:]
    right = np.take_along_axis(predicted, truth[..., None], axis=3)[..., 0]
    changed = truth != test.mode[:, :-1]
    return {
        "loss": float(-np.log(np.maximum(right, _LEAST)).mean()),
        "switch_accuracy": float((predicted.argmax(axis=3) == truth)[changed].mean()),
        "accuracy": float((filtered.argmax(axis=3) == truth).mean()),
    }


def _matching(
    modes: Int[ndarray, "sequence step particle"], truth: Int[ndarray, "sequence step particle"], count: int
) -> Int[ndarray, " mode"]:
    """The estimated mode that stands for each true one."""
    table: Float[ndarray, "true estimated"] = np.zeros((count, count))
    np.add.at(table, (truth.ravel(), modes.ravel()), 1)
    return np.asarray(linear_sum_assignment(-table)[1])
