"""Linear item-to-item models on implicit clicks: EASE against ridge regression, neighbors, popularity and truncated SVD."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run

__all__ = ["ItemModels", "clicks", "ease", "recall", "ridge"]

_RANK, _SUPPORT, _HELD_OUT, _TOP = 12, 0.25, 0.2, 20
_PENALTIES = (10.0, 20.0, 50.0, 100.0, 200.0, 500.0)

Items = Float[ndarray, "item item"]
Scored = Float[ndarray, "user item"]
Clicks = Bool[ndarray, "user item"]


def clicks(users: int, items: int, rng: np.random.Generator) -> tuple[Clicks, Scored]:
    """Clicks with probability 1 - exp(-(U V^T)_{ui} pop_i / 2), and these probabilities.

    U, V: rank 12, a quarter of the entries |N(0, 1)|, the others 0; popularity of item i: e^{N(0, 1)}.
    """
    u, v = (np.abs(rng.standard_normal((n, _RANK))) * (rng.uniform(size=(n, _RANK)) < _SUPPORT) for n in (users, items))
    rates = 1 - np.exp(-u @ v.T * np.exp(rng.standard_normal(items)) / 2)
    return rng.uniform(size=rates.shape) < rates, rates


def ease(gram: Items, penalty: float) -> Items:
    """B = I - P diag(P)^{-1}, P = (X^T X + penalty I)^{-1}: min |X - X B|^2 + penalty |B|^2 with diag B = 0.

    Source: Steck 2019, equation 8.
    """
    inverse = np.linalg.inv(gram + penalty * np.eye(len(gram)))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights


def ridge(gram: Items, penalty: float) -> Items:
    """(X^T X + penalty I)^{-1} X^T X: the same without the constraint."""
    return np.asarray(np.linalg.solve(gram + penalty * np.eye(len(gram)), gram))


def recall(scores: Scored, seen: Clicks, hidden: Clicks) -> float:
    """Mean over users of the share of held-out clicks, of which 20 count at most, among the 20 unseen items of largest score."""
    ranked = np.where(seen, -np.inf, scores)
    top = np.argsort(-ranked, axis=1, kind="stable")[:, :_TOP]
    hits, wanted = np.take_along_axis(hidden, top, 1).sum(1), hidden.sum(1)
    some = wanted > 0
    return float(np.mean(hits[some] / np.minimum(wanted[some], _TOP)))


@dataclass(frozen=True)
class ItemModels:
    """Recall at 20 of item models on clicks of which a fifth is held out per user, penalties chosen on a further fifth.

    ease and ridge: see `ease` and `ridge`; ridge_same: ridge with the penalty of ease; neighbors: cosines of the columns of X;
    popularity; svd_<k>: X projected on its k leading right singular vectors; clipped: B of ease without its negative entries;
    oracle: the true probabilities.
    kkt: the largest off-diagonal entry of -X^T (X - X B) + penalty B, relative to the largest of X^T X; kkt_ridge: the same of
    ridge without its diagonal; diagonal: the largest |B_ii|; negative: the share of negative entries off the diagonal.
    """

    users: int = 1500
    items: int = 200

    def measure(self, run: Run) -> Scores:
        """All models on one draw of clicks."""
        rng = run.numpy
        clicked, rates = clicks(self.users, self.items, rng)
        seen, hidden = _divided(clicked, rng)
        part, rest = _divided(seen, rng)
        x = seen.astype(float)
        gram = x.T @ x
        chosen = {model: _chosen(model, part, rest) for model in (ease, ridge)}
        weights, plain = ease(gram, chosen[ease]), ridge(gram, chosen[ridge])
        norms = np.sqrt(np.diag(gram)).clip(min=1.0)
        cosine = gram / np.outer(norms, norms)
        np.fill_diagonal(cosine, 0.0)
        scored = {
            "ease": x @ weights,
            "ridge": x @ plain,
            "ridge_same": x @ ridge(gram, chosen[ease]),
            "neighbors": x @ cosine,
            "popularity": np.broadcast_to(x.sum(0), x.shape),
            "clipped": x @ weights.clip(min=0.0),
            "oracle": rates,
        }
        vt = np.linalg.svd(x, full_matrices=False)[2]
        scored |= {f"svd_{k}": x @ vt[:k].T @ vt[:k] for k in (5, _RANK, 25)}
        values = {f"recall_{name}": recall(scores, seen, hidden) for name, scores in scored.items()}
        off = ~np.eye(self.items, dtype=bool)
        values["kkt"] = _stationarity(gram, weights, chosen[ease])
        values["kkt_ridge"] = _stationarity(gram, plain * off, chosen[ridge])
        values["diagonal"] = float(np.abs(np.diag(weights)).max())
        values["negative"] = float(np.mean(weights[off] < 0))
        return Scores(values)


def _stationarity(gram: Items, weights: Items, penalty: float) -> float:
    gradient = -gram + gram @ weights + penalty * weights
    np.fill_diagonal(gradient, 0.0)
    return float(np.abs(gradient).max() / np.abs(gram).max())


def _divided(clicked: Clicks, rng: np.random.Generator) -> tuple[Clicks, Clicks]:
    """Four fifths of the clicks of each user, and the fifth that is held out."""
    order = np.where(clicked, rng.uniform(size=clicked.shape), 2.0)
    rank = np.argsort(np.argsort(order, axis=1), axis=1)
    hidden = clicked & (rank < np.round(_HELD_OUT * clicked.sum(1, keepdims=True)))
    return clicked & ~hidden, hidden


def _chosen(model: Callable[[Items, float], Items], seen: Clicks, hidden: Clicks) -> float:
    """The penalty of largest recall on held-out clicks."""
    x = seen.astype(float)
    gram = x.T @ x
    return max(_PENALTIES, key=lambda penalty: recall(x @ model(gram, penalty), seen, hidden))
