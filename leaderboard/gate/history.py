"""Scores over revisions: where a method became worse, better, slower or failed, along a line of results."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dynamark.errors import UserError
from dynamark.leaderboards.gate.compare import Verdict, judge, untested
from dynamark.leaderboards.gate.sources import rows_of

if TYPE_CHECKING:
    import pandas

__all__ = ["History", "Line", "Step", "history", "revisions"]

_STEPS = ("failed", "worse", "slower", "better", "incomparable")


@dataclass(frozen=True)
class Line:
    """One method on one task: primary score and seconds of fitting at every point, medians over seeds; None without a score."""

    task: str
    method: str
    metric: str
    scores: tuple[float | None, ...]
    seconds: tuple[float | None, ...]


@dataclass(frozen=True)
class Step:
    """What happened at a point, compared with the point before."""

    point: str
    verdict: Verdict


@dataclass(frozen=True)
class History:
    """Points in their order, a line for each method and task, and the significant steps, the first ones first."""

    points: tuple[str, ...]
    lines: tuple[Line, ...]
    steps: tuple[Step, ...]


def history(
    sources: Sequence[Path | str], *, effect: float = 0.02, slowdown: float = 1.6, level: float = 0.01
) -> History:
    """Compare each of the sources with the one before it; sources as for `compare`, the oldest first.

    `level` bounds the probability of any false alarm on the whole line: the tests of all steps are adjusted together.
    """
    if len(sources) < 2:
        raise UserError(
            "a history needs at least two sets of results; name results folders or git revisions, oldest first"
        )
    frames = [rows_of(source) for source in sources]
    points = tuple(map(str, sources))
    pairs = [
        (point, pair)
        for point, old, new in zip(points[1:], frames, frames[1:], strict=False)
        for pair in untested(old, new, effect)
    ]
    verdicts = judge([pair for _, pair in pairs], slowdown, level)
    steps = [Step(point, v) for (point, _), v in zip(pairs, verdicts, strict=True) if v.verdict in _STEPS]
    return History(points, _lines(frames), tuple(steps))


def _lines(frames: Sequence[pandas.DataFrame]) -> tuple[Line, ...]:
    medians = [_medians(frame) for frame in frames]
    keys = sorted({key for points in medians for key in points})
    lines = []
    for task, method, metric in keys:
        cells = [points.get((task, method, metric)) for points in medians]
        scores, seconds = (tuple(None if cell is None else cell[k] for cell in cells) for k in (0, 1))
        lines.append(Line(task, method, metric, scores, seconds))
    return tuple(lines)


def _medians(frame: pandas.DataFrame) -> dict[tuple[str, str, str], tuple[float, float]]:
    """The medians over seeds of score and seconds, by task, method and metric."""
    scored = frame[~frame["failed"].to_numpy(bool)]
    columns = {name: scored[name].astype(str).to_numpy() for name in ("task", "tier", "salt", "method", "metric")}
    values = [scored[name].to_numpy(float) for name in ("score", "fit_seconds")]
    places: dict[tuple[str, str, str], list[int]] = {}
    for k in range(len(scored)):
        salt = f" (salt {columns['salt'][k]})" if columns["salt"][k] else ""
        task = f"{columns['task'][k]} [{columns['tier'][k]}]{salt}"
        places.setdefault((task, columns["method"][k], columns["metric"][k]), []).append(k)
    return {key: (float(np.median(values[0][at])), float(np.median(values[1][at]))) for key, at in places.items()}


def revisions(folder: str = "results/published", most: int = 20) -> list[str]:
    """The git revisions of this checkout at which a folder of results changed, as `REV:FOLDER`, the oldest first."""
    command = ["git", "log", "--first-parent", f"--max-count={most}", "--format=%h", "--", folder]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        raise UserError("this folder is no git checkout; name the results folders to compare, oldest first") from None
    return [f"{revision}:{folder}" for revision in reversed(listed)]
