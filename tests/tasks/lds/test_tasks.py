"""The tasks: what scores are worth at both ends, and that truth and futures stay hidden."""

from __future__ import annotations

import numpy as np
import pytest

from dynamark.errors import UserError
from dynamark.tasks.lds.base import LinearSystemTask
from dynamark.tasks.lds.kalman import KalmanFilter
from dynamark.tasks.lds.multistep import MultiStep
from dynamark.tasks.lds.onestep import OneStep
from dynamark.tasks.lds.online import Regret, growth
from dynamark.tasks.lds.simulation import Simulation

TASKS = [
    Simulation.at("tiny"),
    OneStep.at("tiny"),
    OneStep.at("tiny", noise="nw+nv"),
    Regret.at("tiny", noise="nv"),
    MultiStep.at("tiny"),
    MultiStep.at("tiny", noise="nw+nv"),
]


def answers(task: LinearSystemTask, which: str) -> dict[str, np.ndarray]:
    data = task.data(0)
    if isinstance(task, Simulation):
        right = {"forecast.simulation": data["test.clean"], "forecast.impulse": data["markov"].transpose(2, 0, 1)}
    elif isinstance(task, OneStep):
        right = {"prediction": (task.best(0)[0] if task.noisy else data["test.y"])[None]}
    elif isinstance(task, MultiStep):
        counts = np.cumsum([0] + [len(data["test.y"][i :: len(task.origins)]) for i in range(len(task.origins))])
        right = {f"forecast.from_{o}": task.best(0)[0][counts[i] : counts[i + 1]] for i, o in enumerate(task.origins)}
    else:
        right = {"prediction": task.best(0)}
    return {name: a if which == "right" else np.full_like(a, float(which)) for name, a in right.items()}


@pytest.mark.parametrize("task", TASKS, ids=lambda t: f"{type(t).__name__}-{t.noise}")
def test_the_scale_has_its_two_ends(task: LinearSystemTask) -> None:
    name = task.primary.name
    assert task.score(answers(task, "right"), 0).values[name] == pytest.approx(task.oracle(0), abs=1e-14)
    nothing = task.score(answers(task, "0"), 0).values[name]
    assert task.baseline(0) <= nothing
    for bad in ("nan", "inf"):
        worst = task.score(answers(task, bad), 0).values[name]
        assert np.isfinite(worst)
        assert worst > 1e6 * nothing
    assert 0 < task.floor < 1e-2


def test_forecasts_several_steps_ahead_are_the_kalman_filters() -> None:
    task = MultiStep.at("tiny", noise="nw+nv")
    system = task.system(0)
    e = task.excitation(system)
    problem, data, (best, scale) = task.problem(0), task.data(0), task.best(0)
    assert problem.query is not None
    assert list(problem.query.rollouts) == [f"from_{o}" for o in range(16, 193, 32)]
    # One step ahead the forecast from an origin is the one-step prediction there.
    one = KalmanFilter.of(system, e, 256).predict(data["test.y"], data["test.u"])
    np.testing.assert_allclose(best[:3, 0], one[0::6, 16], atol=1e-10)
    # Uncertainty grows with the horizon.
    assert (np.diff(scale, axis=1) > -1e-12).all()
    contexts = [r.context.observations for r in problem.query.rollouts.values()]
    firsts = {float(sequence[0, 0]) for c in contexts for sequence in c}
    assert len(firsts) == 18  # no sequence serves two origins


def test_excess_is_the_excess_risk() -> None:
    """E|y^ - y|^2 - E|y* - y|^2 = E|y^ - y*|^2 for any y^ that knows the past only."""
    task = OneStep.at("tiny", noise="nw+nv", test=2000)
    data = task.data(0)
    y = data["test.y"]
    last = np.concatenate([np.zeros_like(y[:, :1]), y[:, :-1]], axis=1)
    values = task.score({"prediction": last[None]}, 0).values
    # S varies little here, so the two ratios share their denominator up to sampling.
    assert values["mse_ratio"] - 1 == pytest.approx(values["excess"], rel=0.02)


def test_systems_and_sequences_have_separate_streams() -> None:
    task = Simulation.at("tiny")
    longer = Simulation.at("tiny", test=9)
    a, b = task.data(0), task.data(1)
    assert not np.array_equal(a["markov"], b["markov"])
    assert not np.array_equal(a["train.u"][0], a["test.u"][0])
    words = {
        str(np.random.SeedSequence(task.entropy(0, axis)).generate_state(4)) for axis in ("system", "data", "method")
    }
    assert len(words) == 3
    assert longer.digest != task.digest


def test_problems_hold_no_truth_beyond_their_query() -> None:
    simulation = Simulation.at("tiny").problem(0)
    assert simulation.query is not None
    assert all(r.context.observations.shape[1] == 0 for r in simulation.query.rollouts.values())
    assert simulation.context == 0
    online = Regret.at("tiny").problem(0)
    assert (online.channels, online.dim, online.horizon) == (1, 1, 1024)


def test_autonomous_sequences_have_no_inputs() -> None:
    problem = OneStep.at("tiny", inputs="none", noise="nv").problem(0)
    assert problem.train.inputs is None
    assert OneStep.at("tiny", inputs="none", noise="nv").baseline(0) > 0


def test_exponents_of_known_growth() -> None:
    t = np.arange(1, 4097.0)
    assert growth(3 * t**0.5) == pytest.approx(0.5, abs=1e-9)
    assert growth(-t) is None
    assert growth(np.where(t < 3000, -1.0, t)) is None


def test_unknown_parameters_are_named() -> None:
    with pytest.raises(UserError, match="spectrum"):
        Simulation.at("tiny", spectrum="nonsense")
    with pytest.raises(UserError, match="multiple of 8"):
        Simulation.at("tiny", spectrum="nonnormal", order=12)
