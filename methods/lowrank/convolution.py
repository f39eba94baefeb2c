"""A small convolutional network whose kernels are matrices, trained on full matrices or by dynamical low-rank training.

A kernel out x in x k x k is the matrix out x (in k^2), its columns in the order of `torch.nn.functional.unfold`. A convolution
with the kernel of U S V^T is one with the r filters of V^T and then one of size 1 with U S.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from dynamark.methods.lowrank.backpropagation import batches, steps_of
from dynamark.methods.lowrank.dlrt import cut, new_bases
from dynamark.tasks.problems import Run, Training

__all__ = ["SIZES", "ConvolutionalNetwork", "Progress", "convolved", "loss_gradients", "train_full", "train_low_rank"]

# Rows and columns: two convolutions 3 x 3 of 8 x 8 images, then max-pooling by 2 to 16 x 4 x 4, and two dense layers.
SIZES = ((8, 9), (16, 72), (64, 256), (10, 64))
FULL = sum(rows * (columns + 1) for rows, columns in SIZES)

Images = Float[Tensor, "sample channel 8 8"]
Layer = tuple[Tensor, Tensor, Tensor]


def convolved(weights: Sequence[Tensor], biases: Sequence[Tensor], images: Images) -> Float[Tensor, "sample label"]:
    """The logits; relu after every layer but the last."""
    x = images
    for weight, bias in zip(weights[:2], biases[:2], strict=True):
        x = functional.conv2d(x, weight.view(len(weight), x.shape[1], 3, 3), bias, padding=1).relu()
    x = functional.max_pool2d(x, 2).flatten(1)
    hidden = functional.linear(x, weights[2], biases[2]).relu()
    return functional.linear(hidden, weights[3], biases[3])


def loss_gradients(
    weights: Sequence[Tensor], biases: Sequence[Tensor], images: Images, labels: Int[Tensor, " sample"]
) -> tuple[list[Tensor], list[Tensor], float]:
    """The gradients of the mean cross-entropy with respect to the matrices and the biases, and its value."""
    moving = [part.detach().requires_grad_() for part in (*weights, *biases)]
    count = len(weights)
    loss = functional.cross_entropy(convolved(moving[:count], moving[count:], images), labels)
    by_part = torch.autograd.grad(loss, moving)
    return list(by_part[:count]), list(by_part[count:]), float(loss.detach())


@dataclass(frozen=True)
class ConvolutionalNetwork:
    """A trained network; the matrix of a layer is the product of its factors (a single factor is a full matrix)."""

    factors: tuple[tuple[Tensor, ...], ...]
    biases: tuple[Tensor, ...]

    def logits(self, images: Images) -> Float[Tensor, "sample label"]:
        """The outputs of the last layer, before the softmax."""
        weights = [layer[0] if len(layer) == 1 else layer[0] @ layer[1] for layer in self.factors]
        return convolved(weights, self.biases, images)

    def parameter_count(self) -> int:
        """The number of entries of all factors and biases."""
        return sum(f.numel() for layer in self.factors for f in layer) + sum(b.numel() for b in self.biases)

    def compression(self) -> float:
        """The share of the parameters of full layers that is saved."""
        return 1 - self.parameter_count() / FULL


@dataclass(frozen=True)
class Progress:
    """The network at half of the training and at its end, and the mean cross-entropy of the epochs before."""

    networks: tuple[ConvolutionalNetwork, ...]
    losses: tuple[float, ...]


def _he(run: Run, like: Tensor) -> list[Tensor]:
    """Matrices with entries N(0, 2/in) (He et al. 2015)."""
    return [torch.randn(*size, generator=run.generator, dtype=like.dtype) * (2 / size[1]) ** 0.5 for size in SIZES]


def _watched(
    problem: Training,
    run: Run,
    epochs: float,
    batch: int,
    step: Callable[[Images, Tensor], float],
    network: Callable[[], ConvolutionalNetwork],
) -> Progress:
    """Train by `step`, which returns the loss before it, and take the network at half of the training and at its end."""
    steps = steps_of(problem, run, epochs, batch)
    per_epoch = max(1, round(steps / epochs))
    losses: list[float] = []
    networks, means = [], []
    for x, y in _image_batches(problem, run, steps, batch):
        losses.append(step(x, y))
        if len(losses) in {steps // 2, steps}:
            networks.append(network())
            means.append(sum(losses[-per_epoch:]) / len(losses[-per_epoch:]))
    return Progress(tuple(networks), tuple(means))


def _image_batches(problem: Training, run: Run, steps: int, batch: int) -> Iterator[tuple[Images, Tensor]]:
    for x, y in batches([problem], [run], steps, batch):
        yield x[0].view(-1, 1, 8, 8), y[0]


def train_full(problem: Training, run: Run, rate: float, epochs: float, batch: int) -> Progress:
    """Stochastic gradient descent on full matrices. One gradient per step."""
    weights = _he(run, problem.inputs)
    biases = [torch.zeros(len(w), dtype=w.dtype) for w in weights]

    def step(x: Images, y: Tensor) -> float:
        by_weight, by_bias, loss = loss_gradients(weights, biases, x, y)
        for part, d in zip([*weights, *biases], [*by_weight, *by_bias], strict=True):
            part -= rate * d
        return loss

    def network() -> ConvolutionalNetwork:
        return ConvolutionalNetwork(tuple((w.clone(),) for w in weights), tuple(b.clone() for b in biases))

    return _watched(problem, run, epochs, batch, step, network)


def train_low_rank(
    problem: Training, run: Run, theta: float, rate: float, epochs: float, batch: int, caps: dict[int, int]
) -> Progress:
    """Rank-adaptive dynamical low-rank training of some layers; the other layers and the biases follow the second gradient.

    A step takes K and L steps, the augmented bases, a gradient step of S, and cuts to the smallest rank, from 2 to the cap of
    the layer, with |dropped singular values| <= theta |S|_F. Two gradients per step. Start: the leading parts of He's matrices.

    caps: of each layer of low rank, by its number from 0.

    Source: Schotthöfer, Zangrando, Kusch, Ceruti and Tudisco, Low-rank lottery tickets: finding efficient low-rank neural
    networks via matrix differential equations, NeurIPS 2022, algorithm 1, and its section on convolutions.
    key: schotthoefer2022
    """
    start = _he(run, problem.inputs)
    low: dict[int, Layer] = {i: _leading(start[i], cap) for i, cap in caps.items()}
    full = {i: w for i, w in enumerate(start) if i not in caps}
    biases = [torch.zeros(len(w), dtype=w.dtype) for w in start]

    def weights() -> list[Tensor]:
        return [full[i] if i in full else _matrix(low[i]) for i in range(len(SIZES))]

    def step(x: Images, y: Tensor) -> float:
        by_weight, _, loss = loss_gradients(weights(), biases, x, y)
        for i, layer in low.items():
            low[i] = new_bases(layer, by_weight[i][None], rate, augmented=True)
        by_weight, by_bias, _ = loss_gradients(weights(), biases, x, y)
        for i, (u, s, v) in low.items():
            low[i] = cut((u, s - rate * u.mT @ by_weight[i] @ v, v), theta, 2, caps[i])
        for part, d in [*((full[i], by_weight[i]) for i in full), *zip(biases, by_bias, strict=True)]:
            part -= rate * d
        return loss

    def network() -> ConvolutionalNetwork:
        factors = [(full[i].clone(),) if i in full else _two(low[i]) for i in range(len(SIZES))]
        return ConvolutionalNetwork(tuple(factors), tuple(b.clone() for b in biases))

    return _watched(problem, run, epochs, batch, step, network)


def _leading(weight: Float[Tensor, "out in"], rank: int) -> Layer:
    """U [1, out, r], S [1, r, r] and V [1, in, r] of the leading part."""
    u, values, vt = torch.linalg.svd(weight[None], full_matrices=False)
    return u[..., :rank], values[:, :rank].diag_embed(), vt[:, :rank].mT


def _matrix(layer: Layer) -> Float[Tensor, "out in"]:
    u, s, v = layer
    return (u @ s @ v.mT)[0]


def _two(layer: Layer) -> tuple[Tensor, ...]:
    """U S and V^T."""
    u, s, v = layer
    return (u @ s)[0], v[0].mT
