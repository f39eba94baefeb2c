"""The tab of trends: how scores moved over revisions, and where they changed significantly. A line takes a few hundred bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dynamark.leaderboards.gate.history import History, Line, Step
from dynamark.leaderboards.page.markup import brief, counted, escape
from dynamark.leaderboards.page.svg import wants_logarithm

__all__ = ["trends_section"]

# Steps and lines that are shown; lines with a step come first, then those whose scores moved the most.
_STEPS, _LINES = 50, 60

_WIDTH, _HEIGHT, _EDGE = 160, 28, 4


def trends_section(history: History | None) -> str:
    """The section; empty without a history or where no score is at two points."""
    if history is None or not (lines := _chosen(history)):
        return ""
    by_line: dict[tuple[str, str], list[Step]] = {}
    for step in history.steps:
        by_line.setdefault((step.verdict.task, step.verdict.method), []).append(step)
    points = [point.partition(":")[0] for point in history.points]
    body = "".join(_row(line, by_line.get((line.task, line.method), []), history.points) for line in lines)
    more = len(history.lines) - len(lines)
    return (
        f'<section id="trends"><h2>Trends</h2><p>Median primary scores at {counted(len(points), "revision")}, from '
        f"<code>{escape(points[0])}</code> to <code>{escape(points[-1])}</code>. A dot is a significant change from the revision "
        f"before (the test of <code>dynamark compare</code>, adjusted for all revisions, methods and tasks)"
        f"{f'; {more:,} lines that moved less are not shown' if more > 0 else ''}.</p>{_changes(history)}"
        '<div class="wide"><table class="trends"><thead><tr><th scope="col">method</th><th scope="col">task</th>'
        '<th scope="col">score</th><th scope="col">first</th><th scope="col">trend</th><th scope="col">last</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div></section>\n"
    )


def _chosen(history: History) -> list[Line]:
    """The lines to show: those with a step, then those that moved the most; in the order of methods and tasks."""
    stepped = {(step.verdict.task, step.verdict.method) for step in history.steps}
    drawable = [line for line in history.lines if sum(score is not None for score in line.scores) > 1]
    ranked = sorted(drawable, key=lambda line: ((line.task, line.method) not in stepped, -_moved(line)))
    return sorted(ranked[:_LINES], key=lambda line: (line.method, line.task, line.metric))


def _moved(line: Line) -> float:
    """The range of a line relative to its largest value; infinite scores move the most."""
    scores = [score for score in line.scores if score is not None]
    largest = max(map(abs, scores))
    moved = (max(scores) - min(scores)) / largest if largest else 0.0
    return moved if math.isfinite(moved) else math.inf


def _changes(history: History) -> str:
    """The significant changes, as a list."""
    if not history.steps:
        return "<p>No significant change.</p>"
    shown = "".join(
        f"<li><code>{escape(step.point.partition(':')[0])}</code>: <b>{step.verdict.verdict}</b>, "
        f"{escape(step.verdict.method)} on {escape(step.verdict.task)}: {escape(step.verdict.detail)}</li>"
        for step in history.steps[:_STEPS]
    )
    more = len(history.steps) - _STEPS
    return f"<ul>{shown}</ul>" + (f"<p>And {counted(more, 'more change')}.</p>" if more > 0 else "")


def _row(line: Line, steps: Sequence[Step], points: Sequence[str]) -> str:
    known = [score for score in line.scores if score is not None]
    return (
        f'<tr data-name="{escape(line.method.lower())}"><th scope="row">{escape(line.method)}</th><td>{escape(line.task)}</td>'
        f"<td>{escape(line.metric)}</td><td>{brief(known[0])}</td><td>{_spark(line, steps, points)}</td>"
        f"<td>{brief(known[-1])}</td></tr>"
    )


def _spark(line: Line, steps: Sequence[Step], points: Sequence[str]) -> str:
    """The scores over points as a small line, on a logarithmic scale where they span decades; gaps where there is no score."""
    import numpy as np

    finite = np.array([s for s in line.scores if s is not None and math.isfinite(s)])
    if not len(finite):
        return ""
    log = bool(finite.min() > 0) and wants_logarithm(finite)
    shown = np.log(finite) if log else finite
    low, high = float(shown.min()), float(shown.max())
    across = (_WIDTH - 2 * _EDGE) / max(len(points) - 1, 1)

    def at(k: int) -> tuple[float, float] | None:
        score = line.scores[k]
        if score is None or not math.isfinite(score):
            return None
        share = 0.5 if high == low else ((math.log(score) if log else score) - low) / (high - low)
        return _EDGE + k * across, _HEIGHT - _EDGE - share * (_HEIGHT - 2 * _EDGE)

    places = [at(k) for k in range(len(points))]
    path, drawing = "", False
    for place in places:
        path += "" if place is None else f"{'L' if drawing else 'M'}{place[0]:.0f} {place[1]:.0f}"
        drawing = place is not None
    dots = ""
    for step in steps:
        place = places[points.index(step.point)]
        if place is not None:
            hint = escape(f"{step.point.partition(':')[0]}: {step.verdict.verdict}, {step.verdict.detail}")
            style = "better" if step.verdict.verdict == "better" else "worse"
            dots += (
                f'<circle class="{style}" cx="{place[0]:.0f}" cy="{place[1]:.0f}" r="3"><title>{hint}</title></circle>'
            )
    about = escape(f"{line.metric} of {line.method} on {line.task} over {len(points)} revisions")
    size = f'width="{_WIDTH}" height="{_HEIGHT}"'
    return f'<svg class="spark" {size} role="img" aria-label="{about}"><path d="{path}"/>{dots}</svg>'
