"""Deep Kalman filter and latent ODE: bounds and solutions against closed forms, seeds apart, and gaps that are used."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from dynamark.methods.sequence.deep_kalman import DeepKalman, DeepKalmanModel
from dynamark.methods.sequence.latent_networks import KalmanNetwork
from dynamark.methods.sequence.latent_ode import LatentODE, LatentODEModel, ODENetwork
from dynamark.tasks.lds.irregular import Oscillators
from dynamark.tasks.problems import Forecasting, HasSample, Prediction, PredictionQuery, Run, Trajectories

TINY = {"units": 4, "steps": 3, "batch": 4, "window": 6}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def uneven(count: int = 5, time: int = 9, dim: int = 2, seed: int = 0) -> Trajectories:
    return Trajectories(normal(count, time, dim, seed=seed), gaps=0.2 + 2 * normal(count, time, seed=seed + 1).abs())


def linear_filter(rate: float) -> tuple[DeepKalmanModel, Oscillators]:
    """One latent of the deep Kalman filter with the law of one damped process at unit gaps, and that process.

    Its posterior is the prior; it is a model of y = z + noise whose evidence is known.
    """
    network = KalmanNetwork(1, 1, 1, 2, generator()).double().requires_grad_(False)
    for part in (network.leave, network.seen, network.outer, network.linear):
        part.weight.zero_()
        part.bias.zero_()
    decay = math.exp(-rate)
    network.dynamics[:], network.linear.weight[:] = decay, 1.0
    network.leave.bias[1] = network.seen.bias[1] = math.log(1 - decay**2)
    network.noise_log[:] = math.log(0.5**2)
    return DeepKalmanModel(network, 4, blind=True), Oscillators(np.array([rate]), np.array([0.0]), 0.5)


def test_the_bound_of_a_linear_filter_is_exact_at_one_sample_and_below_the_evidence_after() -> None:
    model, system = linear_filter(0.3)
    y = torch.from_numpy(system.sample(np.ones((4000, 3)), np.random.default_rng(0)))[..., None]
    model.network.seen.bias[1] = 0.0  # of the first step, where the prior is N(0, 1)
    fit, divergence = model.bound(Trajectories(y[:, :1]), generator())
    # E log N(y; z, s^2), z ~ N(0, 1), y ~ N(0, 1 + s^2)
    expected = -0.5 * (math.log(2 * math.pi * 0.25) + (2 + 0.25) / 0.25)
    assert float(fit.mean()) == pytest.approx(expected, abs=4 * float(fit.std()) / 4000**0.5)
    assert float(divergence.abs().max()) < 1e-12
    best, variance = system.kalman(y[..., 0].numpy(), np.ones((4000, 3)))
    evidence = -0.5 * (np.log(2 * np.pi * variance) + (y[..., 0].numpy() - best) ** 2 / variance).sum(1)
    fit, divergence = model.bound(Trajectories(y), generator())
    assert float((fit - divergence).mean()) < evidence.mean()


def test_predictions_of_a_linear_filter_decay_with_the_horizon() -> None:
    model, _ = linear_filter(0.3)
    one, three = model.predict(Trajectories(normal(2, 8, 1)), (1, 3))
    torch.testing.assert_close(three[:, :6], one[:, :6] * math.exp(-0.6))


def test_the_filter_samples_the_law_of_its_prior() -> None:
    model, _ = linear_filter(0.3)
    model.network.start_log[:] = 0.0
    draws = model.sample(Trajectories(torch.zeros(1, 0, 1, dtype=torch.float64)), 4, 20_000, generator())[0, :, :, 0]
    times = torch.arange(4.0)
    expected = torch.exp(-0.3 * (times[:, None] - times).abs()).double() + 0.25 * torch.eye(4, dtype=torch.float64)
    torch.testing.assert_close(draws.T.cov(), expected, rtol=0, atol=0.05)


def test_the_equation_is_solved_through_every_gap() -> None:
    """A saturated network is a linear equation: z' = A tanh(e z)/e, compared with the matrix exponential."""
    network = ODENetwork(1, 0, 2, 2, generator()).double().requires_grad_(False)
    matrix, small = torch.tensor([[-0.3, 1.0], [-1.0, -0.1]], dtype=torch.float64), 1e-4
    network.enter.weight[:], network.leave.weight[:] = small * torch.eye(2), matrix / small
    model = LatentODEModel(network, 4, blind=False)
    gaps, z = torch.tensor([[0.3, 0.0, 1.7, 2.9]], dtype=torch.float64), torch.tensor([[1.0, 0.5]], dtype=torch.float64)
    (path,) = model._call("solved", z, gaps.new_zeros(1, 4, 0), gaps)
    for place, time in enumerate([0.0, 0.3, 0.3, 2.0, 4.9]):
        torch.testing.assert_close(path[0, place], z[0] @ torch.linalg.matrix_exp(time * matrix), rtol=0, atol=2e-3)


def test_a_window_is_encoded_from_its_own_samples_alone() -> None:
    network = ODENetwork(2, 0, 3, 4, generator()).double().requires_grad_(False)
    model, paths = LatentODEModel(network, 4, blind=False), uneven(2)
    whole = model.predict(paths)[0]
    # The last prediction sees 4 samples and the gaps between them and to the target.
    tail = Trajectories(paths.observations[:, -5:], gaps=paths.gaps[:, -5:])  # type: ignore[index]
    torch.testing.assert_close(model.predict(tail)[0, :, -1], whole[:, -1])
    changed = Trajectories(paths.observations.index_fill(1, torch.tensor([8]), 9.0), gaps=paths.gaps)
    torch.testing.assert_close(model.predict(changed)[0], whole)
    two = model.predict(paths, (2,))[0]
    assert not torch.allclose(two[:, 3], whole[:, 4])


@pytest.mark.parametrize("method", [DeepKalman(latent=2, **TINY), LatentODE(latent=2, **TINY)], ids=["kalman", "ode"])
def test_seeds_do_not_depend_on_each_other(method: DeepKalman | LatentODE) -> None:
    problems = [Prediction(p, p, PredictionQuery(p)) for p in (uneven(seed=0), uneven(seed=5))]
    both = method.fit_predictors(problems, [Run([0]), Run([1])])
    alone = method.fit_predictors(problems[1:], [Run([1])])[0]
    torch.testing.assert_close(both[1].predict(uneven())[0], alone.predict(uneven())[0], rtol=0, atol=1e-5)


BLIND: dict[str, Callable[[bool], DeepKalman | LatentODE]] = {
    "kalman": lambda blind: DeepKalman(latent=2, blind=blind, **TINY),
    "ode": lambda blind: LatentODE(latent=2, blind=blind, **TINY),
}


@pytest.mark.parametrize("name", BLIND)
def test_gaps_matter_unless_blind(name: str) -> None:
    """Broken twin of L48: where gaps are not used, predictions with other gaps are equal."""
    paths = uneven()
    other = Trajectories(paths.observations, gaps=paths.gaps * 1.5)  # type: ignore[operator]
    for blind in (False, True):
        model = BLIND[name](blind).fit_predictors([Prediction(paths, paths)], [Run([0])])[0]
        assert torch.equal(model.predict(paths), model.predict(other)) is blind


def test_the_filter_forecasts_and_samples() -> None:
    x = Trajectories(normal(4, 12, 2))
    model = DeepKalman(latent=2, **TINY).fit_forecasters([Forecasting(x, x, 1)], [Run([0])])[0]
    context = Trajectories(x.observations[:, :1])
    assert isinstance(model, HasSample)
    assert model.forecast(context, 3).shape == (4, 3, 2)
    draws = model.sample(context, 3, 5, generator())
    assert draws.shape == (4, 5, 3, 2)
    assert not torch.equal(draws[:, 0], draws[:, 1])
