"""Weights of a network in training as a trajectory: a correlated dynamics model of it, its rivals, and the rebuilt networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from torch import Tensor
from torch.nn import functional

from dynamark.tasks.base import Scores
from dynamark.tasks.problems import Run
from dynamark.tasks.sensing.digits import Digits

__all__ = ["CorrelatedModes", "WeightTrajectory", "correlated_modes", "dmd_path", "principal_path"]

Path = Float[ndarray, "time weight"]


@dataclass(frozen=True)
class WeightTrajectory:
    """A perceptron 64-`hidden`-10 (tanh) learns digits by SGD; its weights w_n(t), every half epoch, are modeled.

    Training: rate .1, momentum .9, batches of 64, `epochs` epochs. Of each model, on the first `fitted` samples:
    `<model>_<modes>`, |W^ - W|/|W - mean over t| in the Frobenius norm; `loss_<model>_<modes>`, the accuracy on test images of
    the network with weights W(t) less that with W^(t), in points, the mean over t; `end_<model>_<modes>`, at the last t.
    Models: `cmd`, see `correlated_modes`, 2 numbers a weight and `modes` curves; `shuffled`, each of its reference curves in a
    random order of time; `dmd`, see `dmd_path`, `modes` numbers a weight; `pod`, the mean and `modes` principal components;
    `mean`, the mean over t alone. `against_dmd_<modes>`, the error of cmd over that of dmd; `against_curve_<modes>`, over that of
    the mean and one principal component, which are 2 numbers a weight, as cmd has; `stored_<modes>`, what cmd stores as a share
    of the trajectory; `accuracy`, that of W at the last t, in per cent.
    Source: Brokman, Betser, Turjeman, Berkov, Cohen and Gilboa, Enhancing Neural Training via a Correlated Dynamics Model, 2024,
    section 3.1; complete linkage as in its algorithm 1.
    """

    modes: tuple[int, ...] = (2, 5, 10)
    hidden: int = 32
    epochs: int = 40
    fitted: int = 60
    sampled: int = 500

    def measure(self, run: Run) -> Scores:
        """One training run."""
        data = Digits().data(0)  # the split is fixed
        weights = trained(data, self.hidden, self.epochs, run)[: self.fitted]
        scale = np.linalg.norm(weights - weights.mean(axis=0))
        true = self._accuracies(weights, data)
        scores = {"accuracy": float(true[-1])}

        def add(name: str, path: Path) -> None:
            lost = true - self._accuracies(path, data)
            scores[name] = float(np.linalg.norm(path - weights) / scale)
            scores[f"loss_{name}"], scores[f"end_{name}"] = float(lost.mean()), float(lost[-1])

        add("mean", np.broadcast_to(weights.mean(axis=0), weights.shape))
        add("pod_1", principal_path(weights, 1))
        for modes in self.modes:
            cmd = correlated_modes(weights, modes, self.sampled, run.numpy)
            add(f"cmd_{modes}", cmd.path(cmd.references))
            add(f"shuffled_{modes}", cmd.path(run.numpy.permuted(cmd.references, axis=0)))
            add(f"dmd_{modes}", dmd_path(weights, modes))
            add(f"pod_{modes}", principal_path(weights, modes))
            scores[f"against_dmd_{modes}"] = scores[f"cmd_{modes}"] / scores[f"dmd_{modes}"]
            scores[f"against_curve_{modes}"] = scores[f"cmd_{modes}"] / scores["pod_1"]
            scores[f"stored_{modes}"] = cmd.numbers / weights.size
        return Scores(scores)

    def _accuracies(self, path: Path, data: Mapping[str, ndarray]) -> Float[ndarray, " time"]:
        """Per cent of test images that the networks with the weights of a path classify correctly."""
        outputs = logits(torch.from_numpy(np.array(path)), _images(data["test"]), self.hidden)
        right = outputs.argmax(dim=-1).numpy() == data["test_labels"].astype(int)
        return 100 * np.asarray(right.mean(axis=1))


def trained(data: Mapping[str, ndarray], hidden: int, epochs: int, run: Run) -> Path:
    """The weights after each half epoch."""
    images, labels = _images(data["train"]), torch.from_numpy(data["train_labels"].astype(np.int64))
    bounds = [size**-0.5 for size in (64, hidden) for _ in range(2)]
    sizes = (64 * hidden, hidden, 10 * hidden, 10)
    start = [bound * (2 * torch.rand(n, generator=run.generator) - 1) for bound, n in zip(bounds, sizes, strict=True)]
    weights = torch.cat(start).double().requires_grad_()
    optimizer, batches, path = torch.optim.SGD([weights], lr=0.1, momentum=0.9), len(images) // 64, []
    for _ in range(epochs):
        order = torch.randperm(len(images), generator=run.generator)
        for step in range(batches):
            batch = order[64 * step : 64 * (step + 1)]
            optimizer.zero_grad()
            functional.cross_entropy(logits(weights, images[batch], hidden), labels[batch]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if step + 1 in (batches // 2, batches):
                path.append(weights.detach().numpy().copy())
    return np.stack(path)


def _images(pixels: ndarray) -> Float[Tensor, "image 64"]:
    return torch.from_numpy(np.array(pixels, dtype=float)).flatten(1)


def logits(
    weights: Float[Tensor, "*network weight"], images: Float[Tensor, "image 64"], hidden: int
) -> Float[Tensor, "*network image 10"]:
    """The outputs of perceptrons 64-hidden-10, whose weights are W1, b1, W2, b2 in one vector each."""
    sizes = [64 * hidden, hidden, 10 * hidden, 10]
    w1, b1, w2, b2 = torch.split(weights, sizes, dim=-1)
    inner = torch.tanh(images @ torch.unflatten(w1, -1, (64, hidden)) + b1[..., None, :])
    return inner @ torch.unflatten(w2, -1, (hidden, 10)) + b2[..., None, :]


@dataclass(frozen=True)
class CorrelatedModes:
    """w_n(t) = slope_n r_{mode(n)}(t) + offset_n; `references` are the curves r."""

    references: Float[ndarray, "time mode"]
    mode: ndarray
    slope: Float[ndarray, " weight"]
    offset: Float[ndarray, " weight"]

    def path(self, references: Float[ndarray, "time mode"]) -> Path:
        """The weights for given curves."""
        return references[:, self.mode] * self.slope + self.offset

    @property
    def numbers(self) -> int:
        """Slopes, offsets and curves: what reconstruction needs beside which mode a weight is in."""
        return 2 * len(self.slope) + self.references.size


def correlated_modes(weights: Path, modes: int, sampled: int, rng: np.random.Generator) -> CorrelatedModes:
    """Clusters of weights with correlated curves, each modeled as an affine function of one weight of its cluster.

    Of `sampled` random weights, |correlation| over time gives clusters by complete linkage; the reference of a cluster is the
    member with the largest mean |correlation| to its members. Every weight joins the reference with which it is most correlated,
    and slope and offset are those of least squares. Weights that do not move have correlation 0.
    """
    moving = np.flatnonzero(weights.std(axis=0) > 1e-12)
    chosen = rng.choice(moving, min(sampled, len(moving)), replace=False)
    correlation = np.abs(_standardized(weights[:, chosen]).T @ _standardized(weights[:, chosen]))
    distance = squareform(np.clip(1 - correlation, 0, None), checks=False)
    cluster = fcluster(linkage(distance, "complete"), modes, "maxclust")
    members = [np.flatnonzero(cluster == label) for label in np.unique(cluster)]
    references = weights[:, [chosen[m[correlation[np.ix_(m, m)].mean(axis=1).argmax()]] for m in members]]
    mode = np.abs(_standardized(references).T @ _standardized(weights)).argmax(axis=0)
    centered, shifted = references - references.mean(axis=0), weights - weights.mean(axis=0)
    slope = (centered[:, mode] * shifted).sum(axis=0) / np.square(centered).sum(axis=0)[mode]
    return CorrelatedModes(references, mode, slope, weights.mean(axis=0) - slope * references.mean(axis=0)[mode])


def _standardized(x: Path) -> Path:
    """Curves of mean 0 and norm 1; a constant one is 0."""
    centered = x - x.mean(axis=0)
    norm = np.linalg.norm(centered, axis=0)
    return centered / np.where(norm > 1e-12 * len(x), norm, np.inf)


def dmd_path(weights: Path, modes: int) -> Path:
    """w(t) = Phi diag(lambda)^t b: exact dynamic mode decomposition of rank `modes`, b by least squares on all samples.

    Source: Tu et al. 2014, algorithm 2.
    """
    x = weights.T
    u, s, vt = np.linalg.svd(x[:, :-1], full_matrices=False)
    u, s, vt = u[:, :modes], s[:modes], vt[:modes]
    values, vectors = np.linalg.eig(u.T @ x[:, 1:] @ vt.T / s)
    phi = x[:, 1:] @ vt.T / s @ vectors
    powers = values[:, None] ** np.arange(len(weights))
    # Normal equations of min |Phi diag(b) powers - X|: (Phi* Phi o conj(powers powers*)) b = conj diag(powers X* Phi).
    gram = (phi.conj().T @ phi) * (powers @ powers.conj().T).conj()
    b = np.linalg.lstsq(gram, np.diag(powers @ x.T @ phi).conj(), rcond=None)[0]
    return (phi @ (b[:, None] * powers)).real.T


def principal_path(weights: Path, modes: int) -> Path:
    """The mean over time and the `modes` leading principal components: modes + 1 numbers a weight."""
    mean = weights.mean(axis=0)
    u, s, vt = np.linalg.svd(weights - mean, full_matrices=False)
    return mean + u[:, :modes] * s[:modes] @ vt[:modes]
