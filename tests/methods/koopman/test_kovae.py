"""The Koopman variational autoencoder: its scan, its divergence and its linear map against references, and what it learns."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from dynamark.methods.koopman.kovae import KoopmanVAE
from dynamark.methods.koopman.latent_scan import latent_scan
from dynamark.methods.koopman.variational import VariationalNetwork, gaussian_divergence, linear_map
from dynamark.tasks.koopman.paths import OrnsteinUhlenbeckPaths
from dynamark.tasks.problems import Forecasting, Run, Trajectories

DRAW = torch.Generator


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=DRAW().manual_seed(seed), dtype=torch.float64)


def weights(latent: int, units: int) -> tuple[Tensor, ...]:
    shapes = ((latent, 3 * units), (3 * units,), (units, 3 * units), (units,), (units, 2 * latent), (2 * latent,))
    return tuple((0.5 * normal(*shape, seed=i)).requires_grad_() for i, shape in enumerate(shapes))


def plain_scan(
    noise: Tensor, into: Tensor, offset: Tensor, recurrent: Tensor, bias: Tensor, read: Tensor, shift: Tensor
) -> Tensor:
    """The same recurrence with the GRU cell of PyTorch, whose update gate is the same, and autograd."""
    units, latent = len(bias), noise.shape[2]
    no_bias = torch.cat([torch.zeros(2 * units, dtype=torch.float64), bias])
    h, z, out = noise.new_zeros(noise.shape[1], units), torch.zeros_like(noise[0]), []
    for kick in noise:
        h = torch.gru_cell(z, h, into.T, recurrent.T, offset, no_bias)
        mean, log_variance = (h @ read + shift).split(latent, -1)
        z = mean + (log_variance.clamp(-10, 4) / 2).exp() * kick
        out.append(torch.cat([z, mean, log_variance.clamp(-10, 4)], -1))
    return torch.stack(out)


def test_the_scan_and_its_gradient_are_those_of_a_loop_over_gru_cells() -> None:
    noise, parts, out = normal(5, 3, 2, seed=9), weights(2, 4), []
    for scan in (lambda *x: torch.cat(latent_scan(*x), -1), plain_scan):
        value = scan(noise, *parts)
        out.append([value, *torch.autograd.grad((value * normal(*value.shape, seed=8)).sum(), parts)])
    for own, reference in zip(*out, strict=True):
        torch.testing.assert_close(own, reference, rtol=1e-10, atol=1e-12)


def test_the_divergence_and_the_linear_map_are_those_of_the_libraries() -> None:
    mean, log_variance, other, log_other = (normal(4, 3, seed=i) for i in range(4))
    reference = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(other, (log_other / 2).exp()))
    torch.testing.assert_close(gaussian_divergence(mean, log_variance, other, log_other), reference)
    path = normal(6, 5, 3)
    fitted = np.linalg.lstsq(path[:, :-1].reshape(-1, 3).numpy(), path[:, 1:].reshape(-1, 3).numpy(), rcond=None)[0]
    np.testing.assert_allclose(linear_map(path).numpy(), fitted, atol=1e-12)


@pytest.mark.parametrize("prior", ["own", "posterior"])
def test_a_continuation_of_its_own_samples_is_the_rest_of_them(prior: str) -> None:
    network = VariationalNetwork(1, 3, 4, 1, prior, DRAW().manual_seed(0)).double()  # type: ignore[arg-type]
    noise = normal(2, 6, 3)
    whole = network.drawn(noise)[0]
    torch.testing.assert_close(network.continued(whole[:, :2], noise[:, 2:]), whole[:, 2:])


def test_seeds_do_not_depend_on_each_other() -> None:
    paths = [Trajectories(normal(8, 12, 2, seed=s)) for s in range(2)]
    problems = [Forecasting(p, p, 1) for p in paths]
    method = KoopmanVAE(steps=3, window=6, batch=4, spectrum=0.1)
    both = method.fit_forecasters(problems, [Run([s]) for s in range(2)])
    alone = method.fit_forecasters(problems[1:], [Run([1])])[0]
    context = Trajectories(paths[0].observations[:, :1])
    torch.testing.assert_close(both[1].forecast(context, 5), alone.forecast(context, 5), rtol=0, atol=1e-5)


def test_it_samples_paths_that_leave_from_their_context() -> None:
    """After few steps of training: the right side of the mean, and a spread that grows towards that of the process."""
    task = OrnsteinUhlenbeckPaths(train=100, dt=0.3, steps=40)
    method = KoopmanVAE(latent=2, units=12, layers=1, window=8, prior="posterior", prediction=0.0, steps=150, rate=1e-2)
    model = method.fit_forecasters([task.problem(0)], [Run([1])])[0]
    start = Trajectories(torch.tensor([[[1.5]], [[-1.5]]], dtype=torch.float64))
    draws = model.sample(start, 5, 1000, DRAW().manual_seed(0))[..., 0]
    assert float(draws[0, :, 0].mean() - draws[1, :, 0].mean()) > 0.5
    assert 0.5 < float(draws[:, :, 4].std(1).mean()) / math.sqrt(1 - math.exp(-3.0)) < 1.5
