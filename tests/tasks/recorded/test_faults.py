"""Every fault of a recording is one line with its place and a remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from dynamark import UserError, recorded

N = 60
FRAME = pandas.DataFrame(
    {"time": np.arange(N), "t": np.round(np.sin(np.arange(N)), 3), "p": np.round(np.cos(np.arange(N)), 3)}
)


def changed(row: int, column: str, value: object) -> pandas.DataFrame:
    frame = FRAME.astype(object)
    frame.loc[row, column] = value
    return frame


def short_row(text: str) -> str:
    lines = text.splitlines()
    return "\n".join([*lines[:30], lines[30].rpartition(",")[0], *lines[31:]])


def uneven() -> pandas.DataFrame:
    return FRAME.drop(index=30)


# The data as a frame, or a function of the text of a good file; options; the place and the remedy in the message.
FAULTS: dict[str, tuple[Any, dict[str, Any], str, str]] = {
    "missing": (changed(11, "t", ""), {}, r"line 13, column 't': the value is missing", "fill it in"),
    "NaN": (changed(11, "p", "NaN"), {}, r"line 13, column 'p': the value is missing", "cut the recording there"),
    "infinite": (changed(11, "t", "inf"), {}, r"line 13, column 't': the value is inf", "fill it in"),
    "text": (changed(11, "t", "broken"), {}, r"line 13, column 't': 'broken' is not a number", "correct it"),
    "column of text": (FRAME.assign(t="north"), {}, r"line 2, column 't': 'north' is not a number", "channels="),
    "decimal comma": (changed(11, "t", "0,5"), {}, r"line 13, column 't': '0,5' is not a number", "decimal points"),
    "constant": (FRAME.assign(p=7.0), {}, r"column 'p' is constant, 7", "leave it out"),
    "constant while training": (
        FRAME.assign(p=np.where(np.arange(N) < 40, 7.0, np.arange(N))), {}, r"column 'p' is constant in the training part",
        "leave the column out",
    ),
    "too few": (FRAME.iloc[:12], {}, r"12 samples are too few: expected at least 20", "record more"),
    "no rows": (FRAME.iloc[:0], {}, r"a header and no rows", "at least 20 samples"),
    "empty": (lambda _: "", {}, r"the file is empty", "at least 20 samples"),
    "row too short": (short_row, {}, r"line 31: 2 values, and there are 3 columns", "one value for each column"),
    "quotes": (lambda text: text + '1,"2" x,3\n', {}, r"line 62: ", "correct the quotes"),
    "twice": (lambda text: text.replace("time,t,p", "time,t,t"), {}, r"two columns are called 't'", "rename one"),
    "unnamed": (lambda text: text.replace("time,t,p", "time,t,"), {}, r"column 3 has no name", "name every column"),
    "unknown column": (FRAME, {"channels": ("q",)}, r"unknown column 'q'", "available: p, t, time"),
    "similar column": (FRAME, {"channels": ("tim",)}, r"unknown column 'tim'", "did you mean time"),
    "two roles": (FRAME, {"channels": ("t",), "inputs": ("t",)}, r"'t' cannot be a channel and something else", "name it once"),
    "unequal steps": (uneven(), {"time": "time"}, r"line 32, column 'time': a step of 2, and most are 1", "resample it yourself"),
    "falling time": (
        pandas.concat([FRAME, FRAME]), {"time": "time"}, r"line 62, column 'time': the time does not rise", "trajectory='...'",
    ),
    "no date": (FRAME.assign(time="May"), {"time": "time"}, r"line 2, column 'time': 'May' is neither", "write dates as"),
    "other dt": (FRAME, {"dt": 2.0, "time": "time"}, r"dt = 2, and the steps of column 'time' are 1", "leave one of them out"),
    "short trajectory": (
        FRAME.assign(run=np.arange(N) // 45), {"trajectory": "run"}, r"15 samples in trajectory 1 are too few", "leave it out",
    ),
    "long context": (FRAME, {"context": 12, "horizon": 5}, r"need 17 samples, and the shortest test part has 12", "lower one"),
    "long period": (FRAME, {"period": 50}, r"a period of 50 samples is longer", "raise the context"),
    "wrong option": (FRAME, {"goal": "onestep", "horizon": 3}, r"goal='onestep' has no horizon", "goal='forecast'"),
    "unknown goal": (FRAME, {"goal": "predict"}, r"unknown goal 'predict'", "did you mean forecast"),
    "zero": (FRAME, {"horizon": 0}, r"invalid horizon = 0", "positive integer"),
    "attractor of two": (
        FRAME.assign(run=np.arange(N) // 30), {"trajectory": "run", "goal": "attractor"}, r"one trajectory", "goal='forecast'",
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_with_place_and_remedy(fault: str, tmp_path: Path) -> None:
    data, options, place, remedy = FAULTS[fault]
    path = tmp_path / "weather.csv"
    good = FRAME.to_csv(index=False, lineterminator="\n")
    path.write_text(data(good) if isinstance(data, Callable) else data.to_csv(index=False, lineterminator="\n"))  # type: ignore[arg-type]
    with pytest.raises(UserError, match=place) as error:
        recorded(path, **options)
    message = str(error.value)
    assert "\n" not in message
    assert remedy in message
    assert message.startswith(("weather.csv", "recorded: ", "unknown goal"))
    assert str(tmp_path) not in message


def test_frames_and_arrays_name_rows_counted_from_0() -> None:
    with pytest.raises(UserError, match=r"row 11 \(counted from 0\), column 't': the value is missing"):
        recorded(changed(11, "t", None))
    values = np.zeros((2, 30, 1)) + np.arange(30)[:, None]
    values[1, 3] = np.nan
    with pytest.raises(UserError, match=r"row 33 \(counted from 0\), column '1': the value is missing"):
        recorded(values)


BROKEN: dict[str, tuple[str, bytes, str]] = {
    "no UTF-8": ("a.csv", "time,t\n1,ä\n".encode("latin-1"), r"a.csv, line 2: the text is not UTF-8; save"),
    "no Parquet": ("a.parquet", b"time,t\n", r"a.parquet: is not a valid .parquet file"),
    "no NumPy": ("a.npy", b"time,t\n", r"a.npy: is not a valid .npy file"),
    "no archive": ("a.npz", b"PK\x03\x04", r"a.npz: is not a valid .npz file"),
    "unknown": ("a.xlsx", b"PK", r"a.xlsx: unknown format '.xlsx'; save the recording as CSV"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_files(fault: str, tmp_path: Path) -> None:
    name, content, message = BROKEN[fault]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        recorded(tmp_path / name)


def test_other_faults_of_arrays_and_folders(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(50.0), y=np.arange(49.0))
    (tmp_path / "empty").mkdir()
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: recorded(tmp_path / "a.npz"), r"a.npz: 'y' has 49 values and 'x' has 50"),
        (lambda: recorded(tmp_path / "none.csv"), "does not exist; give a file"),
        (lambda: recorded(tmp_path / "empty"), "empty: datasets cannot load it"),
        (lambda: recorded(np.array(["a", "b"])), "holds no real numbers"),
        (lambda: recorded(np.zeros((2, 2, 2, 2))), "an array of 4 axes"),
        (
            lambda: recorded([np.random.default_rng(0).random((30, 2)), np.zeros((30, 3))]),
            "3 channels, and trajectory 0 has 2",
        ),
        (lambda: recorded(), "give the recording once"),
        (lambda: recorded(FRAME, dt=-1.0), "invalid dt"),
        (
            lambda: recorded(FRAME, name="nile"),
            "'recorded/nile' is a task that ships with dynamark; give the recording another",
        ),
    ]
    for case, message in cases:
        with pytest.raises(UserError, match=message):
            case()
