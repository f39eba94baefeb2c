"""Particles in the plane that switch between modes and take over each other's, and filters of their modes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from dynamark.methods.recurrent.planes import k_planes, squared_residuals

__all__ = ["MAPS", "RADIUS", "REDRAW", "Filtered", "ModeFilter", "Sequences", "meetings", "simulated"]

Positions = Float[ndarray, "sequence time particle coordinate"]

_PARTICLES, _MODES = 3, 3
_ANGLES, _DAMPINGS = (0.25, -0.18, 0.0), (0.995, 0.99, 0.985)
_CENTERS = ((0.0, 0.0), (0.6, 0.4), (-0.5, 0.3))
# Distance below which particles interact; probabilities of a new mode and of a kick, and its size; noise of a step.
RADIUS, REDRAW, _KICK, _REACH, _NOISE = 0.25, 0.02, 0.02, 0.8, 0.01
# Distances that are tried, share of steps that no mode explains, and iterations of EM.
_RADII, _UNEXPLAINED, _ROUNDS = (0.15, 0.2, 0.25, 0.3, 0.4), 0.04, 8


def _maps() -> Float[ndarray, "mode 3 2"]:
    """[x, 1] B = c + A (x - c), A = d [[cos a, sin a], [-sin a, cos a]], of each mode."""
    maps = []
    for angle, damping, center in zip(_ANGLES, _DAMPINGS, _CENTERS, strict=True):
        turn = damping * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        maps.append(np.vstack([turn.T, center - turn @ center]))
    return np.stack(maps)


MAPS = _maps()


@dataclass(frozen=True)
class Sequences:
    """Positions, and the mode of each step."""

    x: Positions
    mode: Int[ndarray, "sequence step particle"]


def meetings(x: Positions, radius: float) -> Bool[ndarray, "sequence step particle partner"]:
    """Whether two particles are closer than the radius at time t and were not at t - 1; at t = 0 none meet."""
    gap = x[:, :, :, None] - x[:, :, None]
    near = np.square(gap).sum(axis=-1) < radius * radius
    near &= ~np.eye(x.shape[2], dtype=bool)
    new = near.copy()
    new[:, 1:] &= ~near[:, :-1]
    new[:, 0] = False
    return new[:, :-1]


def simulated(count: int, steps: int, interacting: bool, rng: np.random.Generator) -> Sequences:
    """Sequences of three particles from uniform positions in [-1, 1]^2, whose first modes are a permutation.

    Before a step each particle that meets another takes over its mode (the first one's, of two that it meets), if `interacting`;
    then the mode is drawn anew, uniformly, with probability .02. The step is x+ = c + A (x - c) + .01 N(0, I), and with
    probability .02 a kick uniform in [-.8, .8]^2 is added.
    """
    x = rng.uniform(-1, 1, (count, _PARTICLES, 2))
    mode = rng.permuted(np.tile(np.arange(_MODES), (count, 1)), axis=1)
    positions, modes = [x], []
    for _ in range(steps):
        if interacting and len(positions) > 1:
            met = meetings(np.stack([*positions[-2:], x], axis=1), RADIUS)[:, 1]
            mode = np.where(met.any(axis=2), np.take_along_axis(mode, met.argmax(axis=2), axis=1), mode)
        mode = np.where(rng.random(mode.shape) < REDRAW, rng.integers(_MODES, size=mode.shape), mode)
        kick = rng.uniform(-_REACH, _REACH, x.shape) * (rng.random(mode.shape) < _KICK)[..., None]
        moved = np.einsum("npi,npij->npj", x, MAPS[mode][..., :2, :]) + MAPS[mode][..., 2, :]
        x = moved + kick + _NOISE * rng.standard_normal(x.shape)
        positions.append(x)
        modes.append(mode)
    return Sequences(np.stack(positions, axis=1), np.stack(modes, axis=1))


@dataclass(frozen=True)
class Filtered:
    """Probabilities of modes of each step before and after its outcome is seen, and what the steps are worth.

    redrawn, copied: posterior probability that the mode was drawn anew, and that it was taken over, of each step.
    likelihood: mean logarithm of the predictive density.
    """

    predicted: Float[ndarray, "sequence step particle mode"]
    filtered: Float[ndarray, "sequence step particle mode"]
    redrawn: Float[ndarray, "sequence step particle"]
    copied: Float[ndarray, "sequence step particle"]
    likelihood: float


@dataclass(frozen=True)
class ModeFilter:
    """P(q_t | x_0..x_t): a filter of the mode of each particle, with or without an interaction.

    A mode stays with probability 1 - redraw and is drawn uniformly else; where particles i and j meet, the mode of i is, with
    probability omega, that of j instead, of which the filter knows a distribution. x+ given x and the mode is Gaussian about
    [x, 1] B_q, or, with probability 0.04, anywhere (a kick).
    """

    maps: Float[ndarray, "mode 3 2"]
    variance: float = _NOISE**2
    redraw: float = 0.1
    omega: float = 0.0
    radius: float = RADIUS
    area: float = field(default=(2 * _REACH) ** 2)

    @classmethod
    def fitted(
        cls,
        train: Positions,
        validation: Float[ndarray, "other time particle coordinate"],
        interacting: bool,
        rng: np.random.Generator,
        restarts: int = 3,
    ) -> ModeFilter:
        """Maps by trimmed k-plane regression; redraw and omega by EM; the radius by the likelihood of the validation data."""
        single = train.swapaxes(1, 2).reshape(-1, train.shape[1], 2)
        maps, _ = k_planes(single[:, :-1], single[:, 1:], _MODES, rng, restarts, _UNEXPLAINED)
        least = squared_residuals(single[:, :-1], single[:, 1:], maps).min(axis=-1)
        # The median of a chi-squared variable of two degrees of freedom is 2 ln 2: kicks do not count.
        plain = cls(maps, float(np.median(least) / (2 * np.log(2)))).learned(train)
        if not interacting:
            return plain
        candidates = [replace(plain, radius=radius, omega=0.5).learned(train) for radius in _RADII]
        return max(candidates, key=lambda one: one.run(validation).likelihood)

    def learned(self, x: Positions) -> ModeFilter:
        """EM of redraw, and of omega unless it is 0, on the predictive likelihood."""
        model, met = self, meetings(x, self.radius).any(axis=3)
        for _ in range(_ROUNDS):
            seen = model.run(x)
            # The first steps have no mode before them.
            redraw = seen.redrawn[:, 1:].sum() / (1 - seen.copied[:, 1:]).sum()
            omega = seen.copied[met].mean() if met.any() and model.omega else model.omega
            model = replace(model, redraw=float(redraw), omega=float(omega))
        return model

    def run(self, x: Positions) -> Filtered:
        """Forward through all steps of all sequences at once."""
        residual = squared_residuals(x[:, :-1], x[:, 1:], self.maps)
        density = np.exp(-residual / (2 * self.variance)) / (2 * np.pi * self.variance)
        emission = (1 - _UNEXPLAINED) * density + _UNEXPLAINED / self.area
        met = meetings(x, self.radius)
        count, steps, particles, modes = emission.shape
        belief = np.full((count, particles, modes), 1 / modes)
        out: dict[str, list[ndarray]] = {name: [] for name in ("predicted", "filtered", "redrawn", "copied")}
        total = 0.0
        for t in range(steps):
            any_met = met[:, t].any(axis=2)
            weight = np.where(any_met, self.omega, 0.0)[..., None]
            partner = np.take_along_axis(belief, met[:, t].argmax(axis=2)[..., None], axis=1)
            branches = (
                (1 - weight) * (1 - self.redraw) * belief,
                (1 - weight) * self.redraw * np.full_like(belief, 1 / modes),
                weight * partner,
            )
            predicted = branches[0] + branches[1] + branches[2]
            joint = predicted * emission[:, t]
            evidence = joint.sum(axis=2)
            belief = joint / evidence[..., None]
            total += float(np.log(evidence).sum())
            out["predicted"].append(predicted)
            out["filtered"].append(belief)
            for name, branch in (("redrawn", branches[1]), ("copied", branches[2])):
                out[name].append((branch * emission[:, t]).sum(axis=2) / evidence)
        arrays = {name: np.stack(parts, axis=1) for name, parts in out.items()}
        return Filtered(**arrays, likelihood=total / (count * steps * particles))
