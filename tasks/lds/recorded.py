"""One-step prediction of recorded time series, for which the best possible score is unknown."""

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
    """A series distributed with statsmodels: a table of one row per year, the year in the first column.

    train, validation: numbers of values, in order of time; the test part follows. period: values per year.
    """

    folder: str
    train: int
    validation: int
    period: int

    def read(self) -> Float[ndarray, " time"]:
        """All values in order of time, exactly as in the table. Raises UserError if statsmodels is not installed."""
        if util.find_spec("statsmodels") is None:
            raise UserError(f"the series '{self.folder}' {_REMEDY}")
        # Read the file directly: statsmodels' reader imports all of its data sets, which takes over a second.
        with (resources.files("statsmodels") / "datasets" / self.folder / f"{self.folder}.csv").open() as table:
            return np.loadtxt(table, delimiter=",", skiprows=1)[:, 1:].ravel()


RECORDS = {
    "sunspots": Record("sunspots", train=221, validation=35, period=1),
    "elnino": Record("elnino", train=480, validation=120, period=12),
}


@dataclass(frozen=True, kw_only=True)
class Recorded(Task):
    """Predict y_t from y_{<t}, y a recorded series of one channel without inputs.

    series: `sunspots`, the yearly mean number of sunspots 1700 to 2008 (National Geophysical Data Center): 221 years of training
    (to 1920), 35 of validation (to 1955), 53 of test. `elnino`, the monthly mean temperature in degrees Celsius of the sea
    surface off Peru, Niño 1+2, 1950 to 2010 (ERSST.V3B of the National Weather Service, NOAA): 40 years of training, 10 of
    validation, 11 of test.
    License: public domain, according to statsmodels, which contains both: `pip install 'dynamark[series]'`.

    Values are standardized by the mean and standard deviation of the training part. The sequence to predict is the whole record,
    so that all past values are available; only the test part is scored. Baseline: the best of three trivial predictions, the
    training mean, the last value, and the training mean of the same month.

    The best possible score is unknown, so methods have ranks but no skill score. Data is the same for every tier and every seed;
    the seed only initializes the method. Data cannot be regenerated, so runs with a salt skip this task.
    """

    series: str = "sunspots"

    kind: ClassVar[type] = Prediction
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("nmse", about="mean squared error / variance of the training part"),
        Metric("rmse", about="root mean squared error in the units of the record"),
    )

    def __post_init__(self) -> None:
        if self.series not in RECORDS:
            raise unknown("series", self.series, list(RECORDS))

    @property
    def record(self) -> Record:
        """The series and its split."""
        return RECORDS[self.series]

    @property
    def unavailable(self) -> str | None:
        """A reason if statsmodels is not installed or a salt is given, else None."""
        if util.find_spec("statsmodels") is None:
            return _REMEDY
        return "is a recording and cannot be regenerated with a salt" if self.salt else None

    @property
    def start(self) -> int:
        """Index of the first test value."""
        return self.record.train + self.record.validation

    def generate(self, seed: int) -> dict[str, ndarray]:
        """The record, the same for all seeds."""
        return {"record": self.record.read()}

    def scaled(self, seed: int) -> tuple[Float[ndarray, " time"], float]:
        """The record standardized by the training part, and the standard deviation of that part."""
        y = self.data(seed)["record"]
        train = y[: self.record.train]
        return (y - np.mean(train)) / np.std(train), float(np.std(train))

    def problem(self, seed: int) -> Prediction:
        """Training and validation parts; the query: one-step predictions of the whole record."""
        y = torch.from_numpy(self.scaled(seed)[0])[None, :, None]
        train, validation, _ = (
            Trajectories(part.clone()) for part in y.tensor_split((self.record.train, self.start), 1)
        )
        return Prediction(train, validation, PredictionQuery(Trajectories(y)))

    def score(self, solution: Solution, seed: int) -> Scores:
        """Errors over the test part, and the curve of its squared errors."""
        y, unit = self.scaled(seed)
        answer = bounded(solution["prediction"][0], (1, len(y), 1))
        squared = (answer[0, :, 0] - y)[self.start :] ** 2
        error = float(np.mean(squared))
        curve = Curve("squared_error", np.arange(self.start, len(y)), squared)
        return Scores({"nmse": error, "rmse": unit * error**0.5}, (curve,))

    def baseline(self, seed: int) -> float:
        """The lowest error of three predictions: training mean, last value, training mean of the same month."""
        y = self.scaled(seed)[0]
        last = np.concatenate([np.zeros(1), y[:-1]])
        month = np.resize(np.mean(y[: self.record.train].reshape(-1, self.record.period), axis=0), len(y))
        answers = (np.zeros(len(y)), last, month)
        return min(self.score({"prediction": a[None, None, :, None]}, seed).values["nmse"] for a in answers)

    def oracle(self, seed: int) -> None:
        """None: the best possible score is unknown."""
