"""Scores of an estimated Koopman spectrum: distances to the true one, residuals on held-out pairs, basins of attraction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Complex, Float, Shaped
from numpy import ndarray

from dynamark.tasks.base import Curve

__all__ = [
    "basin_accuracy",
    "eigenfunction_error",
    "lattice",
    "leading",
    "picture",
    "residuals",
    "spectral_error",
    "spectral_miss",
    "spectral_radius",
    "twin_residuals",
]

# The value of a spectral score whose inputs are not finite.
_WORST = 1e3
# Largest number of eigenvalues in a picture; largest distance of an estimated eigenvalue from a true one for which the
# eigenfunctions are compared.
_MOST, _NEAR = 128, 0.01


def lattice(rates: Sequence[complex], multiples: Sequence[Sequence[int]], dt: float) -> Complex[ndarray, " mode"]:
    """exp(dt sum_j m_j s_j) for each tuple m of multiples, s the rates: eigenvalues of products of eigenfunctions."""
    return np.exp(dt * (np.asarray(multiples, dtype=float) @ np.asarray(rates, dtype=complex)))


def leading(values: Complex[ndarray, " mode"], k: int) -> Complex[ndarray, " some"]:
    """The k values of largest modulus, and one more where a complex-conjugate pair would be split."""
    ordered = values[np.argsort(-np.abs(values), kind="stable")]
    first, rest = ordered[:k], ordered[k:]
    if len(first) and len(rest) and abs(first[-1].imag) > 1e-12:
        partner = first[-1].conj()
        close = 1e-9 * max(1.0, abs(partner))
        nearest = int(np.argmin(np.abs(rest - partner)))
        if abs(first[:-1] - partner).min(initial=np.inf) > close and abs(rest[nearest] - partner) <= close:
            first = np.append(first, rest[nearest])
    return first


def spectral_error(estimated: Complex[ndarray, " mode"], truth: Complex[ndarray, " true"], k: int) -> float:
    """max over the k leading estimates of the distance to the nearest true eigenvalue: detects spurious eigenvalues."""
    return _directed(leading(_finite(estimated), k), truth)


def spectral_miss(estimated: Complex[ndarray, " mode"], truth: Complex[ndarray, " true"]) -> float:
    """max over the given true eigenvalues of the distance to the nearest estimate: detects missing eigenvalues."""
    return _directed(truth, _finite(estimated))


def _finite(values: ndarray) -> ndarray:
    return np.where(np.isfinite(values), values, _WORST).astype(complex)


def _directed(some: ndarray, others: ndarray) -> float:
    if not len(some) or not len(others):
        return _WORST
    return min(float(np.abs(some[:, None] - others[None, :]).min(axis=1).max()), _WORST)


def spectral_radius(estimated: Complex[ndarray, " mode"]) -> float:
    """rho = max |lambda| over the estimated eigenvalues."""
    return min(float(np.abs(_finite(estimated)).max(initial=0.0)), _WORST)


def constant(values: Complex[ndarray, "point mode"]) -> Bool[ndarray, " mode"]:
    """Whether an eigenfunction is constant: its standard deviation is below 1e-3 of its root mean square."""
    return values.std(axis=0) < 1e-3 * np.sqrt(np.mean(np.abs(values) ** 2, axis=0))


def residuals(
    at_x: Complex[ndarray, "pair mode"], at_y: Complex[ndarray, "pair mode"], eigenvalues: Complex[ndarray, " mode"]
) -> Float[ndarray, " mode"]:
    """|phi(y) - lambda phi(x)| / |phi(x)| over held-out pairs (x, y); NaN for the constant, whose residual is uninformative.

    The expanded form phi* L phi - 2 Re(...) suffers from cancellation; this form is accurate to rounding.
    Source: Colbrook, Townsend 2024 (ResDMD).
    """
    is_constant = constant(np.nan_to_num(np.concatenate([at_x, at_y])))
    with np.errstate(all="ignore"):
        ratio = np.linalg.norm(at_y - eigenvalues * at_x, axis=0) / np.linalg.norm(at_x, axis=0)
    return np.where(is_constant, np.nan, np.minimum(np.nan_to_num(ratio, nan=_WORST, posinf=_WORST), _WORST))


def twin_residuals(
    at_x: Complex[ndarray, "pair mode"],
    at_y: Complex[ndarray, "pair mode"],
    at_z: Complex[ndarray, "pair mode"],
    eigenvalues: Complex[ndarray, " mode"],
) -> Float[ndarray, " mode"]:
    """sqrt(mean (phi(y) - lambda phi(x))* (phi(z) - lambda phi(x)) / mean |phi(x)|^2), y and z independent successors of x.

    The numerator estimates mean |E[phi(x+) | x] - lambda phi(x)|^2, without the variance of phi(x+); a negative estimate counts
    as 0. NaN for the constant.

    Source: Colbrook et al. 2024, Beyond expectations, section 3.
    """
    is_constant = constant(np.nan_to_num(at_x))
    with np.errstate(all="ignore"):
        product = np.mean((at_y - eigenvalues * at_x).conj() * (at_z - eigenvalues * at_x), axis=0).real
        squared = product / np.mean(np.abs(at_x) ** 2, axis=0)
    root = np.sqrt(np.maximum(np.nan_to_num(squared, nan=_WORST**2, posinf=_WORST**2), 0.0))
    return np.where(is_constant, np.nan, np.minimum(root, _WORST))


def eigenfunction_error(
    estimated: Complex[ndarray, "point mode"],
    eigenvalues: Complex[ndarray, " mode"],
    true: Shaped[ndarray, "point some"],
    truth: Complex[ndarray, " some"],
) -> float | None:
    """max over nonconstant true eigenfunctions phi of min over c of |c phi^ - phi| / |phi|; None if all are constant.

    phi^ is the best of the estimated eigenfunctions whose eigenvalue lies within 0.01 of that of phi, or, if there are none, the
    one with the nearest eigenvalue. The nearest alone would be arbitrary where eigenvalues of products of eigenfunctions cluster.
    The error is 1 for an estimate that is orthogonal to the truth or not finite.
    """
    worst = None
    for phi, value in zip(true.T.astype(complex), truth, strict=True):
        if constant(phi[:, None])[0]:
            continue
        gap = np.abs(_finite(eigenvalues) - value)
        near = estimated[:, gap <= max(_NEAR, gap.min(initial=np.inf))]
        error = min((_angle(guess, phi) for guess in near.T), default=1.0)
        worst = max(error, worst or 0.0)
    return worst


def _angle(guess: Complex[ndarray, " point"], phi: Complex[ndarray, " point"]) -> float:
    """min over c of |c guess - phi| / |phi|: the sine of the angle between them."""
    size = float(np.linalg.norm(guess))
    if not 0 < size < np.inf:
        return 1.0
    unit = guess / size
    return float(np.linalg.norm(unit * np.vdot(unit, phi) - phi) / np.linalg.norm(phi))


def picture(
    eigenvalues: Complex[ndarray, " mode"],
    residual: Float[ndarray, " mode"],
    truth: Complex[ndarray, " true"] | None,
) -> tuple[Curve, ...]:
    """Curves for a plot of a spectrum: leading estimated and true eigenvalues in the complex plane, and residuals by rank.

    Ranks order the eigenvalues by decreasing modulus, from 1; the constant has no residual.
    """
    order = np.argsort(-np.abs(_finite(eigenvalues)), kind="stable")
    order = order[np.isfinite(eigenvalues[order])][:_MOST]
    first, ranks = eigenvalues[order], np.flatnonzero(~np.isnan(residual[order]))
    curves = [Curve("eigenvalues", first.real, first.imag)]
    if truth is not None:
        first_true = truth[np.argsort(-np.abs(truth), kind="stable")][:_MOST]
        curves.append(Curve("eigenvalues_true", first_true.real, first_true.imag))
    if len(ranks):
        curves.append(Curve("residual_by_mode", 1.0 + ranks, residual[order][ranks]))
    return tuple(curves)


def basin_accuracy(
    train: Float[ndarray, "sample mode"],
    train_labels: Bool[ndarray, " sample"],
    test: Float[ndarray, "point mode"],
    test_labels: Bool[ndarray, " point"],
) -> float:
    """Share of test states whose basin is predicted correctly by a linear discriminant of eigenfunctions of eigenvalue 1.

    The discriminant is Fisher's, w = (S_within + 1e-9 I)^{-1} (m_1 - m_0) in standardized columns; its threshold minimizes the
    training error. A single eigenfunction is thresholded directly.
    """
    center, spread = train.mean(axis=0), np.maximum(train.std(axis=0), 1e-300)
    train, test = (train - center) / spread, (test - center) / spread
    if train.shape[1] > 1:
        one, other = train[train_labels], train[~train_labels]
        if not len(one) or not len(other):
            return float(np.mean(test_labels == train_labels[0]))
        within = sum((len(part) * np.cov(part.T, bias=True) for part in (one, other)), np.zeros(())) / len(train)
        w = np.linalg.solve(within + 1e-9 * np.eye(len(within)), one.mean(axis=0) - other.mean(axis=0))
        train, test = train @ w[:, None], test @ w[:, None]
    threshold, above = _best_threshold(train[:, 0], train_labels)
    return float(np.mean(((test[:, 0] > threshold) == above) == test_labels))


def _best_threshold(values: ndarray, labels: ndarray) -> tuple[float, bool]:
    """The threshold with the fewest errors, and whether it predicts True above it."""
    order = np.argsort(values, kind="stable")
    ordered, ordered_labels = values[order], labels[order]
    cuts = np.concatenate([[-np.inf], (ordered[1:] + ordered[:-1]) / 2, [np.inf]])
    # Cut i has i samples below it: the number of labels that are False below the cut or True above it.
    false_below = np.concatenate([[0], np.cumsum(~ordered_labels)])
    right = false_below + ordered_labels.sum() - np.concatenate([[0], np.cumsum(ordered_labels)])
    ties = np.concatenate([[False], ordered[1:] == ordered[:-1], [False]])
    right = np.where(ties, len(labels) / 2, right)
    best, worst = int(np.argmax(right)), int(np.argmin(right))
    if right[best] >= len(labels) - right[worst]:
        return float(cuts[best]), True
    return float(cuts[worst]), False
