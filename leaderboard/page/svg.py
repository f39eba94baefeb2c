"""Charts as inline SVG: scales, axes, and marks. Colors are classes, so that a chart follows the page into the dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy import ndarray

from dynamark.leaderboards.page.markup import brief, escape, superscript

__all__ = ["Chart", "Scale", "wants_logarithm"]

_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 10, 40


@dataclass(frozen=True)
class Scale:
    """From values low..high to pixels start..end; on a logarithmic scale equal ratios have equal lengths."""

    low: float
    high: float
    log: bool
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value; values outside lie on the edge."""
        low, high, at = (math.log(v) if self.log else v for v in (self.low, self.high, max(value, self.low)))
        share = (min(at, high) - low) / (high - low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[tuple[float, str]]:
        """Values worth a line, at most seven, with their labels."""
        if self.log and math.log(self.high) - math.log(self.low) >= math.log(8):
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            if last > first:
                step = max(1, math.ceil((last - first) / 6))
                powers = range(first, last + 1, step)
                plain = all(-2 <= k <= 3 for k in powers)  # in one notation
                return [(10.0**k, f"{10.0**k:g}" if plain or k == 0 else f"10{superscript(k)}") for k in powers]
            return [(v, brief(v)) for k in (first - 1, first) for m in (1, 2, 5) if self._holds(v := m * 10.0**k)]
        rough = (self.high - self.low) / 5
        size = 10 ** math.floor(math.log10(rough))
        step = next(m * size for m in (1, 2, 5, 10) if m * size >= rough)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(k * step, _plain(0.0 if k == 0 else k * step)) for k in range(first, last + 1)]

    def _holds(self, value: float) -> bool:
        return self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)


def _plain(value: float) -> str:
    """A tick's label: as people write it where that is short."""
    return f"{value:.4g}" if 1e-3 <= abs(value) < 1e5 else brief(value)


def wants_logarithm(values: ndarray) -> bool:
    """Whether values span more than a decade and a half, and are positive but for a zero here and there."""
    known = values[np.isfinite(values)]
    above = known[known > 0]
    return bool(len(above) >= 0.9 * len(known) > 0 and known.min() >= 0 and above.max() / above.min() > 30)


def around(values: ndarray, log: bool, room: float = 0.06) -> tuple[float, float]:
    """The limits of a scale that holds these values, with some room."""
    known = values[np.isfinite(values) & (values > 0 if log else True)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    if log:
        first, last = math.log(low), math.log(high)
        spare = max(room * (last - first), 0.4 if last - first < 0.2 else 0.0)
        return math.exp(max(first - spare, -700)), math.exp(min(last + spare, 700))
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    return low - room * (high - low), high + room * (high - low)


@dataclass
class Chart:
    """Axes with marks. Later marks lie above earlier ones."""

    label: str  # for those who do not see it
    x: tuple[str, tuple[float, float], bool]  # label, limits, logarithmic
    y: tuple[str, tuple[float, float], bool]
    width: int = 440
    height: int = 270
    square: bool = False  # a unit is as long on both axes
    marks: list[str] = field(default_factory=list)
    labels: list[tuple[float, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.square:
            self._widen()
        self.sx = Scale(*self.x[1], self.x[2], _LEFT, self.width - _RIGHT)
        self.sy = Scale(*self.y[1], self.y[2], self.height - _BOTTOM, _TOP)

    def _widen(self) -> None:
        """Widen the limits of one axis until a unit is as long on both."""
        (_, x, _), (_, y, _) = self.x, self.y
        wide, high = self.width - _LEFT - _RIGHT, self.height - _TOP - _BOTTOM
        unit = max((x[1] - x[0]) / wide, (y[1] - y[0]) / high)
        for name, (low, up), pixels in (("x", x, wide), ("y", y, high)):
            spare = (unit * pixels - (up - low)) / 2
            setattr(self, name, (getattr(self, name)[0], (low - spare, up + spare), False))

    def line(self, x: Sequence[float] | ndarray, y: Sequence[float] | ndarray, style: str, hint: str = "") -> None:
        """A polyline, broken where a value is not finite (or not positive on a logarithmic scale)."""
        parts: list[str] = []
        before: tuple[int, int] | None = None
        for a, b in zip(x, y, strict=True):
            if not (math.isfinite(a) and math.isfinite(b)) or (self.x[2] and a <= 0) or (self.y[2] and b <= 0):
                before = None
                continue
            # In tenths of a pixel (the style sheet scales them) from the point before: a third of the bytes of places.
            at = round(10 * self.sx(a)), round(10 * self.sy(b))
            parts.append(f"M{_pair(*at)}" if before is None else f"l{_pair(at[0] - before[0], at[1] - before[1])}")
            before = at
        if parts:
            if len(parts) == 1:  # a single point shows as a dot
                parts.append("h0")
                style += " single"
            self.marks.append(f'<path class="line {style}" d="{"".join(parts)}">{_title(hint)}</path>')

    def point(self, x: float, y: float, style: str, hint: str = "", size: float = 4.5, link: str = "") -> None:
        """A dot, with a tooltip, and a link where there is one."""
        dot = f'<circle class="{style}" cx="{self.sx(x):.1f}" cy="{self.sy(y):.1f}" r="{size}">{_title(hint)}</circle>'
        self.marks.append(f'<a href="#{escape(link)}">{dot}</a>' if link else dot)

    def dots(self, x: ndarray, y: ndarray, style: str, size: float) -> None:
        """Many dots as one path of strokes without length; those that are not finite are left out."""
        seen = np.isfinite(x) & np.isfinite(y) & ((y > 0) if self.y[2] else True)
        places = ((self.sx(float(a)), self.sy(float(b))) for a, b in zip(x[seen], y[seen], strict=True))
        parts = [f"M{_pair(round(10 * a), round(10 * b))}h0" for a, b in places]
        if parts:
            self.marks.append(f'<path class="dots {style}" stroke-width="{10 * size:g}" d="{"".join(parts)}"/>')

    def whiskers(self, intervals: Iterable[tuple[float, float, float]], style: str) -> None:
        """Vertical lines (x, low, high) from the lower to the upper end of each interval, as one path."""
        strokes = [f"M{self.sx(x):.1f} {self.sy(low):.1f}V{self.sy(high):.1f}" for x, low, high in intervals]
        if strokes:
            self.marks.append(f'<path class="{style}" d="{"".join(strokes)}"/>')

    def text(self, x: float, y: float, words: str) -> None:
        """A label beside a point, on the side where there is room; none where it would cover another."""
        shown = words if len(words) <= 24 else words[:23] + "…"
        at, height, width = self.sx(x), self.sy(y), 6.3 * len(shown)
        left = at + 8 + width > self.width - _RIGHT
        start = at - 8 - width if left else at + 8
        if any(start < b and a < start + width and abs(height - h) < 12 for a, b, h in self.labels):
            return
        self.labels.append((start, start + width, height))
        place = f'x="{at + (-8 if left else 8):.1f}" y="{height + 4:.1f}"'
        self.marks.append(f'<text class="name{" before" if left else ""}" {place}>{escape(shown)}</text>')

    def circle(self) -> None:
        """The unit circle of the complex plane."""
        rx, ry = abs(self.sx(1) - self.sx(0)), abs(self.sy(1) - self.sy(0))
        self.marks.append(
            f'<ellipse class="guide" cx="{self.sx(0):.1f}" cy="{self.sy(0):.1f}" rx="{rx:.1f}" ry="{ry:.1f}"/>'
        )

    def render(self) -> str:
        """The chart as one <svg> element."""
        left, right, top, bottom = _LEFT, self.width - _RIGHT, _TOP, self.height - _BOTTOM
        lines, words = [], []
        for value, text in self.sx.ticks():
            at = self.sx(value)
            lines.append(f"M{at:.4g} {top}V{bottom}")
            words.append(f'<text x="{at:.4g}" y="{bottom + 15}">{text}</text>')
        for value, text in self.sy.ticks():
            at = self.sy(value)
            lines.append(f"M{left} {at:.4g}H{right}")
            words.append(f'<text class="y" x="{left - 7}" y="{at + 4:.4g}">{text}</text>')
        center, middle = (left + right) / 2, (top + bottom) / 2
        below = f'x="{center:.0f}" y="{self.height - 5}"'
        beside = f'x="12" y="{middle:.0f}" transform="rotate(-90 12 {middle:.0f})"'
        words += [
            f'<text class="axis" {place}>{escape(label)}</text>'
            for place, label in ((below, self.x[0]), (beside, self.y[0]))
        ]
        return (
            f'<svg class="chart" viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(self.label)}">'
            f'<path class="grid" d="{"".join(lines)}"/>{"".join(words)}{"".join(self.marks)}</svg>'
        )


def _pair(a: int, b: int) -> str:
    """Two numbers of a path; a minus sign parts them, too."""
    return f"{a}{b}" if b < 0 else f"{a} {b}"


def _title(hint: str) -> str:
    return f"<title>{escape(hint)}</title>" if hint else ""
