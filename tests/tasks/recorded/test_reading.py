"""The same numbers are the same recording, whatever they are read from; its identity is the content, never the path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas
import pytest

from dynamark import recorded
from dynamark.tasks.recorded import contents

TIME = np.arange(80) * 0.5
X = np.round(np.sin(TIME) + 0.1 * np.cos(7 * TIME), 6)
Y = np.round(1e3 + 50 * np.cos(TIME), 6)
FRAME = pandas.DataFrame({"time": TIME, "t": X, "p": Y})


def text(path: Path, separator: str = ",", end: str = "\n", begin: str = "", encoding: str = "utf-8") -> Path:
    rows = [begin + separator.join(("time", "t", "p"))]
    rows += [separator.join(f"{v:.6f}" for v in row) for row in zip(TIME, X, Y, strict=True)]
    path.write_bytes((end.join(rows) + end).encode(encoding))
    return path


def parquet(path: Path) -> Path:
    FRAME.to_parquet(path)
    return path


def archive(path: Path) -> Path:
    np.savez(path, time=TIME, t=X, p=Y)
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    parquet(path / "part.parquet")
    return path


def saved(path: Path) -> Path:
    import datasets

    datasets.disable_progress_bars()
    datasets.Dataset.from_pandas(FRAME).save_to_disk(str(path))
    return path


FORMS: dict[str, Callable[[Path], object]] = {
    "frame": lambda _: FRAME,
    "frame indexed by time": lambda _: FRAME.set_index("time").reset_index(),
    "csv": lambda base: text(base / "a.csv"),
    "byte-order mark, Windows": lambda base: text(base / "a.csv", end="\r\n", begin="\ufeff"),
    "UTF-16": lambda base: text(base / "a.txt", separator="\t", end="\r\n", encoding="utf-16"),
    "old Macintosh": lambda base: text(base / "a.csv", end="\r"),
    "semicolons": lambda base: text(base / "a.csv", separator=";"),
    "blanks": lambda base: text(base / "a.dat", separator="   "),
    "tabs": lambda base: text(base / "a.tsv", separator="\t"),
    "comments": lambda base: text(base / "a.csv", begin="# measured in May\n\n"),
    "parquet": lambda base: parquet(base / "a.parquet"),
    "npz": lambda base: archive(base / "a.npz"),
    "folder": lambda base: folder(base / "a"),
    "saved data set": lambda base: saved(base / "a"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_format_gives_the_same_recording(form: str, tmp_path: Path) -> None:
    own = tmp_path / "runs (1)=x, übrig"
    own.mkdir()
    task = recorded(FORMS[form](own))
    assert task.content == recorded(FRAME).content
    assert (task.channels, task.time, task.dt) == (("t", "p"), "time", 0.5)
    np.testing.assert_array_equal(task.data(0)["observations"], np.stack([X, Y], axis=1))


def test_arrays_and_their_files(tmp_path: Path) -> None:
    both = np.stack([X, Y], axis=1)
    np.save(tmp_path / "a.npy", both)
    assert recorded(both, dt=0.5).content == recorded(tmp_path / "a.npy").content == recorded(FRAME).content
    stacked = recorded(np.stack([both, both[::-1]]))
    assert stacked.data(0)["lengths"].tolist() == [80, 80]
    assert recorded(X).channels == ("1",)
    unequal = recorded([both, both[:60]])
    assert unequal.data(0)["lengths"].tolist() == [80, 60]


def test_trajectories_by_a_column_may_be_scattered() -> None:
    by_name = pandas.concat([FRAME.assign(run="b"), FRAME.iloc[:50].assign(run="a")])
    task = recorded(by_name, trajectory="run")
    assert task.data(0)["lengths"].tolist() == [80, 50]
    mixed = by_name.sort_values("time", kind="stable")
    assert recorded(mixed, trajectory="run").content == task.content


def test_identity_is_the_content_and_not_the_path_or_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    one, other = recorded(text(tmp_path / "a.csv")), recorded(text(tmp_path / "sub" / "b.csv"))
    assert one.content == other.content
    assert one.entropy(0, "method") == other.entropy(0, "method")
    assert not any(str(tmp_path) in str(value) for value in one.fields().values())
    (tmp_path / "a.csv").write_text((tmp_path / "a.csv").read_text().replace(f"{X[40]:.6f}", f"{X[40] + 1:.6f}", 1))
    assert recorded(tmp_path / "a.csv").content != one.content


def test_a_damaged_cache_entry_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNAMARK_CACHE", str(tmp_path))
    contents.load.cache_clear()
    task = recorded(FRAME)
    (entry,) = (tmp_path / "recordings").glob("*.npz")
    entry.write_bytes(entry.read_bytes()[:-30])
    with pytest.raises(Exception, match="not in the cache; give its file again: --data FILE"):
        task.generate(0)
    assert recorded(FRAME).generate(0)["observations"].shape == (80, 2)


@pytest.mark.parametrize(
    ("dates", "dt"),
    [
        (pandas.date_range("1950-01-31", periods=80, freq="D"), 1.0),
        (pandas.date_range("1950-01-01", periods=80, freq="MS"), 1.0),
        (pandas.date_range("1700-01-01", periods=80, freq="YS", unit="s"), 12.0),
        (pandas.date_range("2024-03-01", periods=80, freq="15min"), 900.0),
        (pandas.date_range("2024-03-01", periods=80, freq="W"), 7.0),
    ],
)
def test_dates_count_in_months_days_or_seconds(dates: pandas.DatetimeIndex, dt: float) -> None:
    assert recorded(pandas.DataFrame({"x": X}, index=dates)).dt == dt
    written = pandas.DataFrame({"when": dates.strftime("%Y-%m-%d %H:%M"), "x": X})
    task = recorded(written)
    assert (task.time, task.dt) == ("when", dt)


def test_times_may_be_rounded() -> None:
    assert recorded(FRAME.assign(time=np.round(np.arange(80) / 3, 2))).dt == pytest.approx(1 / 3, rel=1e-3)


def test_a_first_column_that_does_not_rise_evenly_is_a_channel() -> None:
    assert recorded(FRAME[["t", "p", "time"]].assign(time=np.cumsum(1 + (TIME % 3)))).channels == ("t", "p", "time")


def test_the_first_column_is_the_time_whatever_else_is_chosen() -> None:
    assert recorded(FRAME, channels="p").dt == recorded(FRAME, channels="p", inputs="t").dt == 0.5
    assert recorded(FRAME, channels="time").time == ""
    counted = recorded(FRAME, dt=0.25)
    assert (counted.channels, counted.dt) == (("t", "p"), 0.25)


def test_a_file_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("".join(f"{x},{y}\n" for x, y in zip(X, Y, strict=True)))
    task = recorded(tmp_path / "a.csv")
    assert task.channels == ("1", "2")
    assert recorded(tmp_path / "a.csv", channels="2").data(0)["observations"][:, 0].tolist() == Y.tolist()
