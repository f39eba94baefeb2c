"""One-step prediction of recorded series: nobody made them, so nobody knows the best possible answer."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources, util
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from dynamark.errors import UserError, unknown
from dynamark.tasks.base import Curve, Metric, Scores, Solution, Task
from dynamark.tasks.lds.base import bounded
from dynamark.tasks.problems import Prediction, PredictionQuery, Trajectories

__all__ = ["RECORDS", "Record", "Recorded"]

_REMEDY = "needs statsmodels, which is not installed; pip install 'dynamark[series]'"


@dataclass(frozen=True)
class Record:
    """A series that ships with statsmodels: a table of one row a year, the year first.

    train, validation: how many values they have, in order of time; the test part is what follows. period: values a year.
    """

    folder: str
    train: int
    validation: int
    period: int

    def read(self) -> Float[ndarray, " time"]:
        """All values in order of time, as they are written in the table: no arithmetic touches them."""
        if util.find_spec("statsmodels") is None:
            raise UserError(f"the series '{self.folder}' {_REMEDY}")
        # The table itself: statsmodels' own reader imports all of its data sets, in over a second.
        with (resources.files("statsmodels") / "datasets" / self.folder / f"{self.folder}.csv").open() as table:
            return np.loadtxt(table, delimiter=",", skiprows=1)[:, 1:].ravel()


RECORDS = {
    "sunspots": Record("sunspots", train=221, validation=35, period=1),
    "elnino": Record("elnino", train=480, validation=120, period=12),
}


@dataclass(frozen=True, kw_only=True)
class Recorded(Task):
    """Predict y_t from y_{<t}, y a recorded series of one channel without inputs.

    series: `sunspots`, the yearly mean number of sunspots 1700 to 2008 (National Geophysical Data Center): 221 years to train, to
    1920, 35 to validate, to 1955, 53 to test. `elnino`, the monthly mean temperature in degrees Celsius of the sea surface off
    Peru, Niño 1+2, 1950 to 2010 (ERSST.V3B of the National Weather Service, NOAA): 40 years to train, 10 to validate, 11 to test.
    License: both are in the public domain, as statsmodels says of them. They ship with it: `pip install 'dynamark[series]'`.

    Values are in units of the training part: its mean is 0 and its variance 1. The sequence to predict is the whole record, so
    that a method knows the past; the test part alone counts. Baseline: the best of three trivial answers, the training mean, the
    last value, and the training mean of the same month.

    The oracle is unknown, so that methods have ranks and no skill. A record is what it is: data is the same for every tier and
    every seed, which moves the start of a method and nothing else, and no salt makes it anew: runs with one leave it out.
    """

    series: str = "sunspots"

    kind: ClassVar[type] = Prediction
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("nmse", about="squared error over the variance of the training part"),
        Metric("rmse", about="root mean squared error in units of the record"),
    )

    def __post_init__(self) -> None:
        if self.series not in RECORDS:
            raise unknown("series", self.series, list(RECORDS))

    @property
    def record(self) -> Record:
        """Where the series is and how it is cut."""
        return RECORDS[self.series]

    @property
    def unavailable(self) -> str | None:
        """Without statsmodels, and with a salt."""
        if util.find_spec("statsmodels") is None:
            return _REMEDY
        return "is a recording, which no salt makes anew" if self.salt else None

    @property
    def start(self) -> int:
        """The first value that counts."""
        return self.record.train + self.record.validation

    def generate(self, seed: int) -> dict[str, ndarray]:
        """The record, whatever the seed."""
        return {"record": self.record.read()}

    def scaled(self, seed: int) -> tuple[Float[ndarray, " time"], float]:
        """The record in units of the training part, and that unit."""
        y = self.data(seed)["record"]
        known = y[: self.record.train]
        return (y - np.mean(known)) / np.std(known), float(np.std(known))

    def problem(self, seed: int) -> Prediction:
        """Two stretches to learn from, and the whole to predict step by step."""
        y = torch.from_numpy(self.scaled(seed)[0])[None, :, None]
        train, validation, _ = (
            Trajectories(part.clone()) for part in y.tensor_split((self.record.train, self.start), 1)
        )
        return Prediction(train, validation, PredictionQuery(Trajectories(y)))

    def score(self, solution: Solution, seed: int) -> Scores:
        """Mean squared errors over the test part, and the squared error of each of its values."""
        y, unit = self.scaled(seed)
        answer = bounded(solution["prediction"][0], (1, len(y), 1))
        squared = (answer[0, :, 0] - y)[self.start :] ** 2
        error = float(np.mean(squared))
        curve = Curve("squared_error", np.arange(self.start, len(y)), squared)
        return Scores({"nmse": error, "rmse": unit * error**0.5}, (curve,))

    def baseline(self, seed: int) -> float:
        """The best of the training mean, the last value, and the training mean of the same month."""
        y = self.scaled(seed)[0]
        last = np.concatenate([np.zeros(1), y[:-1]])
        month = np.resize(np.mean(y[: self.record.train].reshape(-1, self.record.period), axis=0), len(y))
        answers = (np.zeros(len(y)), last, month)
        return min(self.score({"prediction": a[None, None, :, None]}, seed).values["nmse"] for a in answers)

    def oracle(self, seed: int) -> None:
        """Unknown."""
