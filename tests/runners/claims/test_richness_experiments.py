"""The recurrent network of L42 against automatic differentiation, and a broken twin of L42."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from measured_claims import measured

from dynamark.runners.claims.lds import experiments_recurrent_richness
from dynamark.runners.claims.lds.experiments_recurrent_richness import Network, RichLazyRNN, choices, cross_entropy
from dynamark.tasks.problems import Run


def draw(units: int = 7, trials: int = 5) -> tuple[Network, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    network = Network(*(rng.standard_normal(shape) / 2 for shape in ((units, 3), (units, units), (2, units))))
    x, labels = choices(trials, 6, 0.4, 0.3, rng)
    return network, x.astype(float), labels


def logits_by_torch(u: torch.Tensor, w: torch.Tensor, c: torch.Tensor, x: np.ndarray) -> torch.Tensor:
    h = torch.zeros(x.shape[1], len(w), dtype=torch.float64)
    for frame in torch.from_numpy(x):
        h = torch.relu(frame @ u.T + h @ w.T)
    return h @ c.T


def test_gradients_are_those_of_automatic_differentiation() -> None:
    network, x, labels = draw()
    parts = [torch.from_numpy(part).requires_grad_() for part in (network.u, network.w, network.c)]
    loss = torch.nn.functional.cross_entropy(logits_by_torch(*parts, x), torch.from_numpy(labels))
    expected = torch.autograd.grad(loss, parts)
    h = network.states(x)
    own, to_logits = cross_entropy(h[-1] @ network.c.T, labels)
    assert own == pytest.approx(loss.item())
    assert network.loss(x, labels) == pytest.approx(loss.item())
    for gradient, reference in zip(network.gradients(x, h, to_logits), expected, strict=True):
        np.testing.assert_allclose(gradient, reference.numpy(), atol=1e-12)


def test_the_kernel_is_the_product_of_jacobians() -> None:
    network, x, _ = draw()
    u, w, c = (torch.from_numpy(part) for part in (network.u, network.w, network.c))
    jacobian = torch.autograd.functional.jacobian(lambda own: logits_by_torch(u, own, c, x), w)
    assert isinstance(jacobian, torch.Tensor)
    flat = jacobian.movedim(1, 0).reshape(2 * x.shape[1], -1).numpy()
    np.testing.assert_allclose(network.recurrent_kernel(x), flat @ flat.T, atol=1e-12)


def test_the_label_is_the_channel_with_the_larger_mean() -> None:
    x, labels = choices(4000, 8, 0.4, 0.3, np.random.default_rng(0))
    means = np.stack([x[:-1, labels == k, 1:].mean(axis=(0, 1)) for k in (0, 1)])
    np.testing.assert_allclose(means, [[0.7, 0.3], [0.3, 0.7]], atol=0.01)
    assert not x[-1].any()
    assert (x[:-1, :, 0] == 1).all()


def test_all_ranks_start_with_one_norm_and_are_trained_to_one_loss() -> None:
    values = RichLazyRNN(ranks=(1, 100)).measure(Run((3,))).values
    assert all(0.09 < values[f"running_{r}"] <= 0.1 for r in (1, 100))
    assert all(0.05 < values[f"even_loss_{r}"] <= 0.1 for r in (1, 100))
    assert values["representation_1"] < values["representation_100"] < 1


def test_a_network_that_diverged_has_no_distance() -> None:
    network, x, labels = draw()
    diverged = Network(network.u, network.w * np.nan, network.c)
    for end in (diverged, None):
        assert np.isnan(list(experiments_recurrent_richness._moved(network, end, x, (x, labels)).values())).all()
    still = experiments_recurrent_richness._moved(network, network, x, (x, labels))
    assert (still["representation"], still["kernel"], still["change"]) == pytest.approx((1, 1, 0))


def test_l42_fails_where_all_ranks_start_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken twin: the matrix is not truncated. Differences are 0 and ratios 1 then, which must not pass."""
    right = experiments_recurrent_richness.low_rank_start
    monkeypatch.setattr(
        experiments_recurrent_richness, "low_rank_start", lambda full, _, norm: right(full, len(full), norm)
    )
    evaluation = measured("L42", ranks=(1, 100), aim=0.4, test=50)
    assert evaluation.verdict != "reproduced"
    assert [result.verdict for result in evaluation.results] == ["not reproduced"] * 3
