"""Attention layers against their formulas, token by token in complex numbers."""

from __future__ import annotations

import cmath

import numpy as np
import pytest
import torch

from dynamark.methods.sequence.attention import AdaptiveFilterAttention, RotaryAttention, path_variance
from dynamark.tasks.problems import Run


def layers(method: RotaryAttention) -> tuple[torch.nn.Module, torch.Tensor]:
    """A layer with random parameters, in double precision, and an input with irregular gaps."""
    layer = method.layer(3, 2, 7, Run((0,)).generator).double()
    rng = np.random.default_rng(1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter += 0.2 * torch.from_numpy(rng.standard_normal(tuple(parameter.shape)))
    x = torch.from_numpy(rng.standard_normal((1, 7, 3)))
    x[..., -1] = torch.from_numpy(rng.exponential(size=(1, 7)))
    return layer, x


def by_the_formula(layer: torch.nn.Module, x: np.ndarray, filters: bool) -> np.ndarray:
    """The outputs [time, dim] of one sequence, by the docstrings."""
    w = {name: p.detach().numpy() for name, p in layer.named_parameters()}
    positive = {name: np.log1p(np.exp(value)) for name, value in w.items()}
    heads, modes = w["frequency"].shape
    z = (x[:, :-1] @ w["embed.weight"] + w["embed.bias"]) @ w["project"]
    z = z.reshape(len(x), 3, heads, 2, modes)
    z = z[..., 0, :] + 1j * z[..., 1, :]
    after = np.cumsum(x[:, -1])
    times = after - x[:, -1]
    out = np.empty((len(x), w["read.bias"].size))
    for i in range(len(x)):
        mixed = np.zeros((heads, modes), dtype=complex)
        for h in range(heads):
            b, omega = positive["temperature"][h], w["frequency"][h]
            mu = np.exp(w["log_decay"][h]) if filters else 0.0
            q, logits, moved = z[i, 0, h], [], []
            for j in range(i + 1):
                turn = np.exp((-mu + 1j * omega) * (times[i] - times[j]))
                moved.append(turn * z[j, 2, h])
                if filters:
                    s, n, g, nu = (positive[name][h] for name in ("process", "measured", "anchor", "tail"))
                    square = np.exp(-2 * mu * (times[i] - times[j]))
                    variance = s * (1 - square) + n * square + g
                    residual = np.sum(np.abs(q - turn * z[j, 1, h]) ** 2) / (nu * modes * variance)
                    logits.append(-b * (np.log(variance) + (nu + 1 / modes) * np.log(1 + residual)))
                else:
                    logits.append(b * np.sum(q.conj() * turn * z[j, 1, h]).real / modes**0.5)
            weights = np.exp(logits) / np.sum(np.exp(logits))
            mixed[h] = np.exp((-mu + 1j * omega) * x[i, -1]) * (weights @ np.array(moved))
        flat = np.stack([mixed.real, mixed.imag], axis=1).ravel()
        out[i] = flat @ w["back"] @ w["read.weight"] + w["read.bias"]
    return out


@pytest.mark.parametrize("method", [AdaptiveFilterAttention(heads=2, modes=3), RotaryAttention(heads=2, modes=3)])
def test_the_layer_is_its_formula(method: RotaryAttention) -> None:
    layer, x = layers(method)
    expected = by_the_formula(layer, x[0].numpy(), isinstance(method, AdaptiveFilterAttention))
    np.testing.assert_allclose(layer(x)[0].detach().numpy(), expected, rtol=1e-10, atol=1e-10)


def test_the_variance_is_that_of_the_propagated_measurement() -> None:
    """x_i - e^{lambda D} y_j of a stationary process, by drawing."""
    rng, mu, lag, process, measured = np.random.default_rng(2), 0.3, 2.0, 0.7, 0.4
    pole = cmath.exp(complex(-mu, 1.0) * lag)

    def normal(variance: float) -> np.ndarray:
        return np.asarray((variance / 2) ** 0.5 * (rng.standard_normal((2, 10**5)).T @ [1, 1j]))

    past = normal(process)
    now = pole * past + normal(process * (1 - abs(pole) ** 2))
    errors = np.abs(now - pole * (past + normal(measured))) ** 2
    variance = path_variance(*(torch.tensor(v) for v in (abs(pole), process, measured, 0.0)))
    assert errors.mean() == pytest.approx(float(variance), rel=0.02)


def test_rotary_attention_has_five_numbers_a_head_less() -> None:
    both = [
        method(heads=3).layer(2, 1, 8, Run((0,)).generator) for method in (AdaptiveFilterAttention, RotaryAttention)
    ]
    counts = [sum(p.numel() for p in layer.parameters()) for layer in both]
    assert counts[0] - counts[1] == 5 * 3
    torch.testing.assert_close(both[0].frequency[1], torch.logspace(-1, np.log10(3.0), 8))
