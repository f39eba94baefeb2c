"""Structured linear CDEs: against explicit matrices, a plain loop that autograd records, and iterated sums of a path."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from dynamark.errors import UserError
from dynamark.methods.sequence.compiled_structured import LIMIT, structured_scan
from dynamark.methods.sequence.controlled import KINDS_OF_MAPS, Maps, SLiCE
from dynamark.tasks.numerics import compiling

STATES, CHANNELS, TIME = 8, 3, 9
KINDS = list(KINDS_OF_MAPS)
OPTIONS = {"block": 4, "rank": 2, "density": 0.375}


def maps(kind: str, seed: int = 0) -> Maps:
    return Maps(kind, CHANNELS, STATES, torch.Generator().manual_seed(seed), 0.7, **OPTIONS).double()  # type: ignore[arg-type]


def written_out(own: Maps) -> np.ndarray:
    """The matrices A_i, put together from the parameters without the products under test."""
    entries = own.entries.detach().numpy()
    columns, pairs = own.columns.numpy(), own.pairs.detach().numpy()
    out = np.zeros((CHANNELS, STATES, STATES))
    for i, row in enumerate(entries):
        if own.kind == "diag":
            out[i] = np.diag(row)
        elif own.kind in ("block", "dense"):
            size = len(row) // STATES
            out[i] = scipy.linalg.block_diag(*row.reshape(-1, size, size))
        elif own.kind == "wh":
            out[i] = scipy.linalg.hadamard(STATES) @ np.diag(np.tanh(row)) / STATES**0.5
        elif own.kind == "sparse":
            np.put_along_axis(out[i], columns, row.reshape(STATES, -1), axis=1)
        else:
            out[i] = np.diag(row) + sum(np.outer(pairs[0, k], pairs[1, k]) for k in (2 * i, 2 * i + 1))
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_maps_are_the_matrices_of_their_structure(kind: str) -> None:
    own = maps(kind)
    np.testing.assert_allclose(own.dense().detach(), written_out(own), atol=1e-12)
    free = {"diag": 1, "block": 4, "dplr": 5, "sparse": 3, "wh": 1, "dense": STATES}[kind]
    assert own.parameter_count() == sum(p.numel() for p in own.parameters()) == CHANNELS * STATES * free
    tokens = torch.tensor([[2, 0], [1, 1]])
    one_hot = torch.nn.functional.one_hot(tokens, CHANNELS).double()
    torch.testing.assert_close(own.of_tokens(tokens), own(one_hot))


@pytest.mark.parametrize("kind", KINDS)
def test_all_structures_start_at_the_same_size(kind: str) -> None:
    draw = torch.Generator().manual_seed(1)
    own = Maps(kind, 50, 64, draw, 0.5, block=4, rank=2, density=1.0).double()
    h = torch.randn(64, generator=draw, dtype=torch.float64)
    moved = (own.dense() @ h).square().sum(-1).mean() / h.square().sum()
    assert float(moved.detach()) == pytest.approx(0.2 if kind == "wh" else 0.25, rel=0.15)  # tanh a is smaller than a


NUMBA = pytest.param("numba", marks=pytest.mark.skipif(not compiling.available(), reason="numba not there"))


@pytest.mark.parametrize("engine", ["torch", NUMBA])
@pytest.mark.parametrize("kind", KINDS)
def test_the_scan_and_its_gradient_are_those_of_full_matrices(
    kind: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "available", lambda: engine == "numba")
    members = [maps(kind, seed) for seed in range(2)]
    draw = torch.Generator().manual_seed(4)
    weights, drive, aim = (
        torch.randn(2, 3, TIME, size, generator=draw, dtype=torch.float64) for size in (CHANNELS, STATES, STATES)
    )
    keep, start = torch.rand(2, STATES, generator=draw).double(), torch.randn(2, STATES, generator=draw).double()
    leaves = [part.requires_grad_(True) for part in (weights, drive, keep, start)]

    def loss(state: Any, weights: Tensor, drive: Tensor, keep: Tensor, start: Tensor, aim: Tensor) -> Tensor:
        theta = functional_call(members[0], state, (weights,))
        pairs, columns = ({**state[0], **state[1]}[name] for name in ("pairs", "columns"))
        states = structured_scan(KINDS_OF_MAPS[kind], theta, drive, keep, start, pairs, columns)
        return ((states - aim) ** 2).sum()

    state = stack_module_state(members)
    vmap(loss)(state, *leaves, aim).sum().backward()
    together = [leaf.grad for leaf in leaves]
    for k, own in enumerate(members):
        alone = [leaf[k].detach().clone().requires_grad_(True) for leaf in leaves]
        total, matrices = torch.zeros(()).double(), own.dense()
        h = alone[3].expand(3, -1)
        for t in range(TIME):
            moved = torch.einsum("nc,cij,nj->ni", alone[0][:, t], matrices, h)
            h = alone[2] * h + moved + alone[1][:, t]
            total = total + ((h - aim[k, :, t]) ** 2).sum()
        total.backward()
        for stacked, single in zip(together, alone, strict=True):
            assert stacked is not None
            np.testing.assert_allclose(stacked[k], single.grad, rtol=1e-9, atol=1e-9)
        for name, parameter in own.named_parameters():
            np.testing.assert_allclose(state[0][name].grad[k], parameter.grad, rtol=1e-9, atol=1e-9, err_msg=name)


def test_nilpotent_maps_compute_iterated_sums() -> None:
    """h = (1, S(1), S(1, 2)): A_1 moves state 0 to 1, and A_2 moves state 1 to 2; sums over strictly increasing times."""
    own = Maps("dense", 2, 3, torch.Generator(), 0.0).double()
    matrices = torch.zeros(2, 3, 3, dtype=torch.float64)
    matrices[0, 1, 0] = matrices[1, 2, 1] = 1
    with torch.no_grad():
        own.entries.copy_(matrices.flatten(1))
    path = torch.randn(4, 20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    start = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    end = own.scan(own(path), torch.zeros(4, 20, 3).double(), torch.ones(3).double(), start)[:, -1]
    before = torch.cumsum(path[..., 0], dim=1) - path[..., 0]
    expected = torch.stack([torch.ones(4), path[..., 0].sum(1), (before * path[..., 1]).sum(1)], dim=1)
    torch.testing.assert_close(end.detach(), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_of_the_layer_is_its_equation(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Step by step and by the scan, against full matrices."""
    monkeypatch.setattr(compiling, "available", lambda: False)
    draw = torch.Generator().manual_seed(2)
    layer: Any = SLiCE(structure=kind, states=STATES, dt=0.3, **OPTIONS).layer(2, 2, TIME, draw).double()  # type: ignore[arg-type]
    with torch.no_grad():
        layer.maps.entries.add_(torch.randn(layer.maps.entries.shape, generator=draw))
        x = torch.randn(1, TIME, 2, generator=draw, dtype=torch.float64)
        matrices, form = 0.3 * layer.maps.dense(), layer.steps()
        h, state, y = torch.zeros(STATES).double(), np.zeros(form.size), np.empty(2)
        for t, whole in enumerate(layer(x)[0]):
            a = matrices[0] + x[0, t, 0] * matrices[1] + x[0, t, 1] * matrices[2]
            h = torch.exp(-layer.log_decay.exp()) * h + a @ h + x[0, t] @ layer.b
            expected = h @ layer.c + x[0, t] @ layer.d
            form.advance(x[0, t].numpy(), state, y, form.weights)
            np.testing.assert_allclose(whole, expected, atol=1e-10)
            np.testing.assert_allclose(y, expected, atol=1e-10)


def test_an_unstable_recurrence_stays_finite() -> None:
    own, ones = maps("dense"), torch.ones(STATES, dtype=torch.float64)
    states = own.scan(
        own(torch.full((2, 400, CHANNELS), 9.0).double()), torch.ones(2, 400, STATES).double(), ones, ones
    )
    assert float(states.detach().abs().max()) == LIMIT
    states.sum().backward()
    assert own.entries.grad is not None
    assert torch.isfinite(own.entries.grad).all()


def test_a_structure_that_does_not_fit_is_refused() -> None:
    for method, reason in ((SLiCE(states=6, structure="wh"), "power of two"), (SLiCE(states=6), "multiple of 4")):
        with pytest.raises(UserError, match=reason):
            method.layer(1, 1, 8, torch.Generator())
