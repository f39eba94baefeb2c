"""Recordings that an installed package ships, as forecasting tasks; nothing is downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources, util

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.errors import UserError, unknown
from dynamark.tasks.cache import content_digest
from dynamark.tasks.recorded.forecast import RecordedForecast

__all__ = ["RECORDINGS", "Shipped", "ShippedRecording"]

_REMEDY = "needs statsmodels, which is not installed; pip install 'dynamark[series]'"


@dataclass(frozen=True)
class Shipped:
    """A table among the data sets of statsmodels, and what of it is the recording.

    folder: the data set. columns: the channels, by their place in the table; rows of several columns of one quantity follow each
    other if `by_row`. unbroken: only the longest stretch without a missing value. content: digest of the numbers.
    """

    folder: str
    columns: tuple[int, ...]
    content: str
    by_row: bool = False
    unbroken: bool = False

    def read(self) -> Float[ndarray, "time channel"]:
        """The values in order of time, exactly as in the table."""
        # Read the file directly: statsmodels' reader imports all of its data sets, which takes over a second.
        with (resources.files("statsmodels") / "datasets" / self.folder / f"{self.folder}.csv").open() as table:
            y = np.genfromtxt(table, delimiter=",", skip_header=1, usecols=self.columns, ndmin=2)
        y = y.reshape(-1, 1) if self.by_row else y
        return y[_longest(~np.isnan(y).any(axis=1))] if self.unbroken else y


def _longest(known: ndarray) -> slice:
    """The longest stretch of true values."""
    ends = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(int), [0]])))
    starts, stops = ends[::2], ends[1::2]
    best = int(np.argmax(stops - starts))
    return slice(int(starts[best]), int(stops[best]))


RECORDINGS = {
    "sunspots": Shipped("sunspots", (1,), "5e23bd373d7c31578fd8fc3a3cf7f09b9f778ad71b30b782cf328ac6f13c0eeb"),
    "elnino": Shipped(
        "elnino", tuple(range(1, 13)), "082ab8ad0b81c997cb28fe4d22db924f334df38d9b142e31465194e3ace0fed9", by_row=True
    ),
    "nile": Shipped("nile", (1,), "67d6d27cd8446e6fa826003bad4cf11319b0c4a432ab250e34f7ef261b148eae"),
    "co2": Shipped("co2", (1,), "7ef858a3e0656f2edac829cde961c7e6b0eef4eb7e94b532922b5327c8ef06a0", unbroken=True),
    "economy": Shipped("macrodata", (9, 10, 12), "9ff8574b0859d6a4fa488f2c285e30ba1d8347b62de718f8cd8e3e9683a399e9"),
    "electrical_equipment": Shipped(
        "elec_equip", (1,), "46c555c7fd0830d1cc2f778a221757010418ae4b562daa680d3792aacbd64b38"
    ),
}


@dataclass(frozen=True, kw_only=True)
class ShippedRecording(RecordedForecast):
    """Forecast y_{t+1..t+h} of a recording that statsmodels ships from its last c values.

    series: `sunspots`, the yearly mean number of sunspots 1700 to 2008 (National Geophysical Data Center). `elnino`, the monthly
    mean temperature of the sea surface off Peru in degrees Celsius, Niño 1+2, 1950 to 2010 (ERSST.V3B, NOAA). `nile`, the yearly
    volume of the Nile at Aswan 1871 to 1970, in 10^8 cubic meters (Cobb 1978). `co2`, the weekly concentration of carbon dioxide
    at Mauna Loa in parts per million, its longest stretch without gaps (Keeling and Whorf 2004). `economy`, the quarterly
    treasury bill rate, unemployment rate and inflation of the United States 1959 to 2009 in percent (Federal Reserve Bank of St.
    Louis and Bureau of Labor Statistics). `electrical_equipment`, the monthly turnover of the manufacture of electrical equipment
    in the euro area 1995 to 2016, as an index (Eurostat).
    License: public domain, according to statsmodels, which contains them: `pip install 'dynamark[series]'`.

    Samples, split, errors and valid time are as for every recording (`RecordedForecast`): the first 60 % are for training, the
    next 20 % for validation, and windows of c + h samples inside the rest for the test.
    """

    series: str = "sunspots"

    def __post_init__(self) -> None:
        if self.series not in RECORDINGS:
            raise unknown("series", self.series, list(RECORDINGS))

    @property
    def unavailable(self) -> str | None:
        """A reason if statsmodels is not installed or a salt is given, else None."""
        return _REMEDY if util.find_spec("statsmodels") is None else super().unavailable

    def generate(self, seed: int) -> dict[str, ndarray]:
        """The recording, the same for all seeds."""
        if util.find_spec("statsmodels") is None:
            raise UserError(f"the recording '{self.series}' {_REMEDY}")
        y = RECORDINGS[self.series].read()
        arrays = {"observations": y, "lengths": np.array([float(len(y))])}
        if (digest := content_digest(arrays)) != RECORDINGS[self.series].content:
            raise UserError(
                f"the recording '{self.series}' of the installed statsmodels has other numbers ({digest[:12]}) than the task; "
                "install another version of statsmodels (0.14 and 0.15 have those of the task)"
            )
        return arrays
