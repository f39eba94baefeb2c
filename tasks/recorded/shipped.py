"""Recordings that installed packages ship, as forecasting tasks; nothing is downloaded."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from importlib import util
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from dynamark.errors import UserError, unknown
from dynamark.tasks.cache import content_digest
from dynamark.tasks.recorded.forecast import RecordedForecast

__all__ = ["RECORDINGS", "Shipped", "ShippedRecording"]


@dataclass(frozen=True)
class Shipped:
    """A file of an installed package, and what of it is the recording.

    package, path: where the file is. content: digest of the numbers. columns: the channels, by their place in the table; rows of
    several columns of one quantity follow each other if `by_row`. unbroken: only the longest stretch without a missing value.
    first: only so many samples.
    """

    package: str
    path: str
    content: str
    columns: tuple[int, ...] = (0,)
    by_row: bool = False
    unbroken: bool = False
    first: int | None = None

    @property
    def lacking(self) -> str | None:
        """What to do if the package is not installed, else None."""
        if util.find_spec(self.package) is None:
            return f"needs {self.package}, which is not installed; pip install 'dynamark[series]'"
        return None

    def read(self) -> Float[ndarray, "time channel"]:
        """The values in order of time, exactly as in the file."""
        # The file is read directly: some of these packages take seconds to import.
        spec = util.find_spec(self.package)
        assert spec is not None
        assert spec.submodule_search_locations
        y = _table(Path(spec.submodule_search_locations[0]) / self.path, self.columns)
        y = y.reshape(-1, 1) if self.by_row else y
        return (y[_longest(~np.isnan(y).any(axis=1))] if self.unbroken else y)[: self.first]


def _table(file: Path, columns: tuple[int, ...]) -> Float[ndarray, "row column"]:
    """The columns of a CSV file with a head, of an array, or of the longest list of numbers in Python source."""
    if file.suffix == ".npy":
        return np.load(file)[:, columns].astype(float)
    if file.suffix == ".py":
        lists = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.List)]
        longest = max(lists, key=lambda node: len(node.elts))
        return np.array(ast.literal_eval(longest), dtype=float)[:, None]
    return np.genfromtxt(file, delimiter=",", skip_header=1, usecols=columns, ndmin=2)


def _longest(known: ndarray) -> slice:
    """The longest stretch of true values."""
    ends = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(int), [0]])))
    starts, stops = ends[::2], ends[1::2]
    best = int(np.argmax(stops - starts))
    return slice(int(starts[best]), int(stops[best]))


def _statsmodels(
    name: str, columns: tuple[int, ...], content: str, *, by_row: bool = False, unbroken: bool = False
) -> Shipped:
    return Shipped("statsmodels", f"datasets/{name}/{name}.csv", content, columns, by_row, unbroken)


# Versions that were compared with the digests.
_KNOWN = {"statsmodels": "0.14 or 0.15", "reservoirpy": "0.3.13 to 0.4", "pmdarima": "2.0 or 2.1"}

RECORDINGS = {
    "sunspots": _statsmodels("sunspots", (1,), "5e23bd373d7c31578fd8fc3a3cf7f09b9f778ad71b30b782cf328ac6f13c0eeb"),
    "elnino": _statsmodels(
        "elnino", tuple(range(1, 13)), "082ab8ad0b81c997cb28fe4d22db924f334df38d9b142e31465194e3ace0fed9", by_row=True
    ),
    "nile": _statsmodels("nile", (1,), "67d6d27cd8446e6fa826003bad4cf11319b0c4a432ab250e34f7ef261b148eae"),
    "co2": _statsmodels("co2", (1,), "7ef858a3e0656f2edac829cde961c7e6b0eef4eb7e94b532922b5327c8ef06a0", unbroken=True),
    "economy": _statsmodels(
        "macrodata", (9, 10, 12), "9ff8574b0859d6a4fa488f2c285e30ba1d8347b62de718f8cd8e3e9683a399e9"
    ),
    "electrical_equipment": _statsmodels(
        "elec_equip", (1,), "46c555c7fd0830d1cc2f778a221757010418ae4b562daa680d3792aacbd64b38"
    ),
    "laser": Shipped(
        "reservoirpy",
        "datasets/santafe_laser.npy",
        "ffa20dfefcaf91d697f1a4cdfb1cb6e4bdbe7a6eceb7e9e3a6414f7562b87ef8",
        first=2000,
    ),
    "lynx": Shipped("pmdarima", "datasets/lynx.py", "08bea66e44186b332be0e70826296193ad765d42b402713fddf4da80aefdadfd"),
    "heart_rate": Shipped(
        "pmdarima", "datasets/heartrate.py", "8306db269638847cb247dd9bea5027def4f2e9e6aa9ee49c4ce3b223f39eca90"
    ),
}


@dataclass(frozen=True, kw_only=True)
class ShippedRecording(RecordedForecast):
    """Forecast y_{t+1..t+h} of a recording that an installed package ships from its last c values.

    series: `sunspots`, the yearly mean number of sunspots 1700 to 2008 (National Geophysical Data Center). `elnino`, the monthly
    mean temperature of the sea surface off Peru in degrees Celsius, Niño 1+2, 1950 to 2010 (ERSST.V3B, NOAA). `nile`, the yearly
    volume of the Nile at Aswan 1871 to 1970, in 10^8 cubic meters (Cobb 1978). `co2`, the weekly concentration of carbon dioxide
    at Mauna Loa in parts per million, its longest stretch without gaps (Keeling and Whorf 2004). `economy`, the quarterly
    treasury bill rate, unemployment rate and inflation of the United States 1959 to 2009 in percent (Federal Reserve Bank of St.
    Louis and Bureau of Labor Statistics). `electrical_equipment`, the monthly turnover of the manufacture of electrical equipment
    in the euro area 1995 to 2016, as an index (Eurostat). `laser`, the intensity of a chaotic far-infrared laser, the first 2,000
    samples, about 8 a pulse (Santa Fe competition, set A; Hübner, Abraham and Weiss 1989). `lynx`, the yearly number of lynx
    trapped in Canada 1821 to 1934 (Hudson's Bay Company; Campbell and Walker 1977). `heart_rate`, the heart rate of a resting
    person every half second, in beats per minute (MIT; Goldberger and Rigney 1991).
    License: the first six are in the public domain, according to statsmodels, which contains them. `laser` comes with reservoirpy
    (MIT license), `lynx` and `heart_rate` with pmdarima (MIT license); their sources published them for free use and state no
    license. All: `pip install 'dynamark[series]'`.

    Samples, split, errors and valid time are as for every recording (`RecordedForecast`): the first 60 % are for training, the
    next 20 % for validation, and windows of c + h samples inside the rest for the test.
    """

    series: str = "sunspots"

    def __post_init__(self) -> None:
        if self.series not in RECORDINGS:
            raise unknown("series", self.series, list(RECORDINGS))

    @property
    def unavailable(self) -> str | None:
        """A reason if the package is not installed or a salt is given, else None."""
        return RECORDINGS[self.series].lacking or super().unavailable

    def generate(self, seed: int) -> dict[str, ndarray]:
        """The recording, the same for all seeds."""
        recording = RECORDINGS[self.series]
        if recording.lacking:
            raise UserError(f"the recording '{self.series}' {recording.lacking}")
        y = recording.read()
        arrays = {"observations": y, "lengths": np.array([float(len(y))])}
        if (digest := content_digest(arrays)) != recording.content:
            raise UserError(
                f"the recording '{self.series}' of the installed {recording.package} has other numbers ({digest[:12]}) than the "
                f"task; install another version of {recording.package} ({_KNOWN[recording.package]} has those of the task)"
            )
        return arrays
