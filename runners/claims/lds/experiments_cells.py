"""What the equations of continuous-time cells and of diagonalized state spaces imply, measured on the methods themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import torch
from numpy import ndarray
from torch.nn import functional

from dynamark.methods.sequence.ltc import LTC
from dynamark.tasks.base import Scores
from dynamark.tasks.lds.irregular import Irregular
from dynamark.tasks.numerics.hippo import legs, low_rank_form, perturbed_legs
from dynamark.tasks.problems import Run

__all__ = ["FourierAttack", "IrregularFilters", "LiquidBounds"]


@dataclass(frozen=True)
class LiquidBounds:
    """States and time constants of an LTC layer, drawn at its start, under inputs uniform in +-size at gaps uniform in 0 .. 2.

    state_low, state_high: how far inside [min(0, E, v_l), max(0, E, v_l)] the potentials stay, 0 at the bound, negative beyond.
    slow, fast: the effective time constant c / (g + sum w s), over recurrent and sensory synapses, relative to its bounds c/g (at
    most 1) and c / (g + sum w) (at least 1).
    """

    units: int = 16
    size: float = 30.0
    length: int = 400
    sequences: int = 8

    def measure(self, run: Run) -> Scores:
        """The margins `state_low`, `state_high`, `slow` and `fast`."""
        layer: Any = LTC(units=self.units).layer(2, 1, self.length, run.generator).double()
        shape = (self.sequences, self.length, 1)
        draw = [torch.rand(shape, generator=run.generator, dtype=torch.float64) for _ in range(2)]
        x = torch.cat([self.size * (2 * draw[0] - 1), 2 * draw[1]], dim=-1)
        s, r = layer.sensory, layer.recurrent
        with torch.no_grad():
            v = layer.potentials(x).movedim(0, 1)
            levels = torch.cat([s.reversal.flatten(), r.reversal.flatten(), layer.rest, torch.zeros(1)])
            leak, given, own = (functional.softplus(part) for part in (layer.leak, s.strength, r.strength))
            open_s = (given * torch.sigmoid(s.slope * (x[..., :-1, None] - s.threshold))).sum(-2)
            open_r = (own * torch.sigmoid(r.slope * (v[..., :, None] - r.threshold))).sum(-2)
            rate = leak + open_s + open_r
            slow, fast = leak / rate, (leak + given.sum(0) + own.sum(0)) / rate
        return Scores(
            {
                "state_low": float(v.min() - levels.min()),
                "state_high": float(levels.max() - v.max()),
                "range": float(v.max() - v.min()),
                "slow": float(slow.max()),
                "fast": float(fast.min()),
            }
        )


@dataclass(frozen=True)
class FourierAttack:
    """A sinusoid of `strength` times the input's power at w = max Im lambda of S4D-LegS, given to LegS and two diagonal kin.

    All three read their states by the same unit row C, drawn at random; LegS itself is the truth. clean_<kin>, attacked_<kin>:
    squared difference of the outputs over the power of the truth. Zero-order hold by exact exponentials.
    """

    states: int = 64
    step: float = 1e-3
    length: int = 4000
    size: float = 1e-3
    strength: float = 0.1

    def measure(self, run: Run) -> Scores:
        """Errors of both, with and without the attack, and the ratio under it."""
        n, rng = self.states, run.numpy
        c = rng.standard_normal(n)
        c /= np.linalg.norm(c)
        a, b = legs(n)
        p = np.sqrt(np.arange(n) + 0.5)
        poles, vectors, weights = perturbed_legs(n, self.size, rng)
        integrated = weights * np.expm1(self.step * poles) / poles
        kernels = {
            "truth": self._held(a, b, c),
            "normal": self._held(a + np.outer(p, p), b / 2, c),
            "ptd": 2
            * np.real(np.exp(self.step * np.outer(np.arange(self.length), poles)) @ (integrated * (c @ vectors))),
        }
        w = low_rank_form("legs", n)[0].imag.max()
        clean = rng.standard_normal(self.length)
        attack = math.sqrt(2 * self.strength) * np.sin(w * self.step * np.arange(self.length))
        values = {}
        for name, u in (("clean", clean), ("attacked", clean + attack)):
            truth = np.convolve(u, kernels["truth"])[: self.length]
            for kin in ("normal", "ptd"):
                rest = np.convolve(u, kernels[kin])[: self.length] - truth
                values[f"{name}_{kin}"] = float(rest @ rest / (truth @ truth))
        return Scores(values | {"ratio": values["attacked_normal"] / values["attacked_ptd"]})

    def _held(self, a: ndarray, b: ndarray, c: ndarray) -> ndarray:
        """C Abar^l Bbar."""
        n = len(a)
        both = scipy.linalg.expm(self.step * np.block([[a, b[:, None]], [np.zeros((1, n + 1))]]))
        x, move, out = both[:n, n], both[:n, :n], np.empty(self.length)
        for k in range(self.length):
            out[k] = c @ x
            x = move @ x
        return out


@dataclass(frozen=True)
class IrregularFilters:
    """The Kalman filter of irregularly sampled oscillators, and the same filter told that all gaps are 1: mean squared errors."""

    length: int = 512
    sequences: int = 32

    def measure(self, run: Run) -> Scores:
        """Both errors, the power of the output, and the innovation variance that the first filter predicts."""
        task = Irregular(name="irregular", length=self.length, salt=str(int(run.numpy.integers(2**31))))
        system, gaps = task.system(0), run.numpy.exponential(size=(self.sequences, self.length))
        y, late = system.sample(gaps, run.numpy), slice(self.length // 4, None)
        best, innovation = system.kalman(y, gaps)
        blind, _ = system.kalman(y, np.ones_like(gaps))
        return Scores(
            {
                "mse": float(np.mean((y - best)[:, late] ** 2)),
                "predicted": float(np.mean(innovation[:, late])),
                "mse_blind": float(np.mean((y - blind)[:, late] ** 2)),
                "power": float(np.mean(y[:, late] ** 2)),
            }
        )
