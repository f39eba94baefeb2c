"""Every method of the catalog on awkward data of every kind: it answers finitely or refuses in words, and units do not matter."""

from __future__ import annotations

import functools
import re
from typing import Any

import numpy as np
import pytest
import torch
from contract_inputs import BUDGET, KIND_OF, PROBLEMS, forecasting, lorenz, small

from dynamark.errors import UserError
from dynamark.methods.fields import Units
from dynamark.runners.execute.worker import solve
from dynamark.tasks.problems import Forecasting, Prediction, Recovery

# Of every test, because the answers are shared.
pytestmark = pytest.mark.filterwarnings("error:divide by zero:RuntimeWarning:dynamark")

ALL = [(kind, name) for kind, names in KIND_OF.items() for name in names]

# A forecast may grow, but not beyond this many times the data: more is a roll-out gone wrong, or arithmetic on rounding.
BOUND = 1e6

# Polynomials whose free run escapes where they are fitted to noise or to hardly any data: honest, and finite.
ESCAPES = {("ngrc", "12 channels"), ("ngrc", "five samples"), ("poly_increment", "five samples")}


def answers(name: str, kind: type, what: str) -> dict[str, np.ndarray]:
    """What a method answers on a problem; solved once for all tests of this file. A refusal is raised each time."""
    outcome = _outcome(name, kind, what)
    if isinstance(outcome, UserError):
        raise outcome
    return outcome


@functools.cache
def _outcome(name: str, kind: type, what: str) -> dict[str, np.ndarray] | UserError:
    torch.manual_seed(0)  # as at the start of a test, whichever problem comes first
    try:
        return answers_to(name, PROBLEMS[kind][what]())
    except UserError as refusal:
        return refusal.with_traceback(None)


def answers_to(name: str, problem: Any) -> dict[str, np.ndarray]:
    (answer,) = solve([small(name)], [problem], [[0]], budget=BUDGET)
    for array in answer.arrays.values():
        array.flags.writeable = False  # several tests read it
    return answer.arrays


def size_of(problem: Any) -> float:
    """The largest number that a method was shown."""
    parts = {
        Forecasting: lambda p: [p.train.observations],
        Prediction: lambda p: [torch.nan_to_num(p.train.observations)],
    }
    shown = parts.get(type(problem), lambda _: [])(problem)
    return max((float(part.abs().max()) for part in shown), default=float("inf")) or 1.0


@pytest.mark.parametrize(("kind", "name"), ALL, ids=[f"{kind.__name__}-{name}" for kind, name in ALL])
def test_every_method_answers_finitely_or_refuses_in_words(kind: type, name: str) -> None:
    wrong, answered = [], 0
    for what, make in PROBLEMS[kind].items():
        problem = make()
        try:
            arrays = answers(name, kind, what)
        except UserError as refusal:
            if "\n" in str(refusal) or len(str(refusal)) < 20:
                wrong.append(f"{what}: refuses without a reason: {refusal}")
            missing = re.search(r"^(\w+) is not installed", str(refusal))
            if missing:
                pytest.skip(f"{missing[1]} is not installed")
            continue
        except Exception as error:
            wrong.append(f"{what}: {type(error).__name__}: {error}")
            continue
        answered += 1
        for key, array in arrays.items():
            if not np.isfinite(array).all():
                wrong.append(f"{what}: {key} is not finite")
            elif np.abs(array).max() > BOUND * size_of(problem) and (name, what) not in ESCAPES:
                wrong.append(f"{what}: {key} is {np.abs(array).max():.1e} where the data is {size_of(problem):.1e}")
    assert not wrong
    assert answered > 0, "a method that refuses every problem of a kind does not solve that kind"


# --- units

# Differences that rounding makes, in standard deviations of the data: float64 algebra whose condition may be 1e8, and single
# precision followed by a few steps of training.
CLOSED, TRAINED = 1e-4, 2e-3
# Nearly collinear filters at penalties down to 1e-14, among which the rounding of the validation error decides.
LOOSE = {"spectral_arx": 0.05}
NETWORKS = re.compile(
    r"stu|s4|s5|lru|gru|lstm|cfc|ltc|mamba|slice|dpnet|vampnet|spectral_contrastive|lran|ckae|mlp|kae|plrnn|alrnn|neural_ode"
    r"|kovae|deep_kalman|latent_ode"
)


def units_wanted(name: str) -> Units:
    return getattr(small(name), "data_units", "standardized")


def tolerance(name: str) -> float:
    return LOOSE.get(name, TRAINED if NETWORKS.search(name) else CLOSED)


def gap(answer: np.ndarray, scale: Any, shift: Any, plain: np.ndarray, spread: Any = 1.0) -> float:
    """The largest difference of two answers in the units of the plain one."""
    return float(np.abs(((answer - shift) / scale - plain) / spread).max())


FORECASTERS = [name for name in KIND_OF[Forecasting] if units_wanted(name) != "raw" and name not in {"era"}]


@pytest.mark.parametrize("name", FORECASTERS)
def test_units_of_a_forecast_do_not_matter(name: str) -> None:
    """Multiplied by 1e-6 to 1e6, by another factor in each channel, and shifted by 1e3 standard deviations."""
    try:
        plain = answers(name, Forecasting, "plain")["forecast.next"]
    except UserError as refusal:
        pytest.skip(str(refusal))
    for what, scale in (("times 1e6", 1e6), ("times 1e-6", 1e-6), ("mixed units", np.array([1e-6, 1.0, 1e6]))):
        assert gap(answers(name, Forecasting, what)["forecast.next"], scale, 0.0, plain) < tolerance(name), what
    shifted = answers(name, Forecasting, "shifted")["forecast.next"]
    if units_wanted(name) == "standardized":
        assert gap(shifted, 1.0, 1e3, plain) < tolerance(name)
    else:
        # Linear without a constant about zero, and about the mean once that is far away: another model, as good.
        truth_like = lorenz()[:, -1:].numpy()
        assert np.abs(shifted - 1e3 - truth_like).max() < max(3.0, 2 * np.abs(plain - truth_like).max())


PREDICTORS = [name for name in KIND_OF[Prediction] if units_wanted(name) != "raw"]


@pytest.mark.parametrize("name", PREDICTORS)
def test_units_of_a_prediction_do_not_matter(name: str) -> None:
    plain = answers(name, Prediction, "plain")["prediction"]
    for what, scale in (("outputs times 1e9", 1e9), ("outputs times 1e-9", 1e-9), ("inputs times 1e-9", 1.0)):
        assert gap(answers(name, Prediction, what)["prediction"], scale, 0.0, plain) < tolerance(name), what


@pytest.mark.parametrize("name", KIND_OF[Recovery])
@pytest.mark.parametrize("form", ["", "symmetric "])
def test_units_of_measurements_do_not_matter(name: str, form: str) -> None:

    def matrix(what: str) -> np.ndarray:
        arrays = answers(name, Recovery, what)
        factors = [arrays[f"factor.{i}"] for i in range(2) if f"factor.{i}" in arrays]
        return {0: lambda: factors[0] @ factors[-1].T, 1: lambda: factors[0] @ factors[0].T, 2: lambda: factors[0]}[
            int(arrays["form"])
        ]()

    try:
        plain = matrix(form.strip() or "plain")
    except UserError as refusal:
        pytest.skip(str(refusal))
    for scale in (1e8, 1e-8):
        difference = matrix(f"{form}times {scale:.0e}".replace("e+08", "e8").replace("e-08", "e-8")) / scale - plain
        assert np.abs(difference).max() <= 1e-8 * np.abs(plain).max()


def test_a_nan_is_named_with_its_place() -> None:
    x = lorenz().clone()
    x[2, 41, 1] = torch.nan
    with pytest.raises(UserError, match="training data: nan at trajectory 2, time 41, channel 1; fill it in"):
        answers_to("dmd", forecasting(x))
