"""Dynamical low-rank training against the matrix differential equation that it integrates, solved with whole matrices.

dW/dt = -P(W) grad L(W), db/dt = -grad_b L, with P(W) Z = U U^T Z + Z V V^T - U U^T Z V V^T the projection on the tangent space of
the matrices of rank r at W. Here the gradient is autograd's, U and V come from a singular value decomposition of W, and a
Runge-Kutta method of high order takes the steps: nothing is shared with the method but the equation.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy import ndarray
from scipy.integrate import solve_ivp
from sensing_support import normals

from dynamark.methods.lowrank.dlrt import Layer, _step

WIDTHS, RANK, TIME = (6, 7, 5), 2, 0.5
X = normals(40, 6, seed=1)
Y = torch.randint(0, 5, (40,), generator=torch.Generator().manual_seed(2))


def start() -> tuple[list[Layer], list[torch.Tensor]]:
    layers = []
    for i, (columns, rows) in enumerate(pairwise(WIDTHS)):
        u, v = (torch.linalg.qr(normals(1, n, RANK, seed=10 * i + n))[0] for n in (rows, columns))
        layers.append((u, torch.tensor([[[1.5, 0.2], [0.0, 0.8]]], dtype=torch.float64), v))
    return layers, [0.1 * normals(1, n, seed=n) for n in WIDTHS[1:]]


def dense(layers: list[Layer]) -> list[torch.Tensor]:
    return [(u @ s @ v.mT)[0] for u, s, v in layers]


def flow() -> list[torch.Tensor]:
    """The weights at TIME, by the differential equation."""
    layers, biases = start()
    shapes = [*(w.shape for w in dense(layers)), *(b[0].shape for b in biases)]

    def parts(state: ndarray) -> list[torch.Tensor]:
        cuts = np.cumsum([shape.numel() for shape in shapes])[:-1]
        return [torch.from_numpy(p.copy()).view(s) for p, s in zip(np.split(state, cuts), shapes, strict=True)]

    def derivative(_: float, state: ndarray) -> ndarray:
        w1, w2, b1, b2 = (p.requires_grad_() for p in parts(state))
        logits = torch.relu(X @ w1.T + b1) @ w2.T + b2
        grads = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, Y), (w1, w2, b1, b2))
        moved = []
        for w, z in zip((w1, w2), grads[:2], strict=True):
            u, _, vt = torch.linalg.svd(w.detach())
            left, right = u[:, :RANK] @ u[:, :RANK].T, vt[:RANK].T @ vt[:RANK]
            moved.append(left @ z + z @ right - left @ z @ right)
        return -torch.cat([p.flatten() for p in (*moved, *grads[2:])]).numpy()

    first = torch.cat([p.flatten() for p in (*dense(layers), *biases)]).numpy()
    return parts(solve_ivp(derivative, (0, TIME), first, method="DOP853", rtol=1e-8, atol=1e-10).y[:, -1])[:2]


def trained(rate: float, augmented: bool) -> list[torch.Tensor]:
    """The weights after TIME/rate steps on the whole data."""
    layers, biases = start()
    for _ in range(round(TIME / rate)):
        layers, biases, _ = _step(layers, biases, X[None], Y[None], rate, augmented)
        if augmented:  # back to the rank, by the best approximation
            for i, (u, s, v) in enumerate(layers):
                p, values, qt = torch.linalg.svd(s)
                keep = slice(RANK)
                layers[i] = u @ p[..., keep], values[:, keep].diag_embed(), v @ qt.mT[..., keep]
    return dense(layers)


@pytest.mark.parametrize("augmented", [False, True])
def test_training_is_a_first_order_integrator_of_the_projected_flow(augmented: bool) -> None:
    target = flow()
    moved = sum(float((a - b).norm()) for a, b in zip(target, dense(start()[0]), strict=True))
    errors = []
    for rate in (0.02, 0.01, 0.005):
        network = trained(rate, augmented)
        errors.append(sum(float((a - b).norm()) for a, b in zip(network, target, strict=True)))
    assert errors[0] < 0.05 * moved
    for coarse, fine in pairwise(errors):
        assert 1.7 < coarse / fine < 2.3
