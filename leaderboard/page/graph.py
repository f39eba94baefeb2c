"""A small directed graph: the regions of a symbolic code, and how often an orbit goes from one to another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from dynamark.leaderboards.page.markup import brief, escape

__all__ = ["graph"]

# More nodes than this are a ball of wool.
_NODES = 24
_WIDTH, _HEIGHT, _RADIUS, _NODE = 345, 260, 100.0, 11.0

Edge = tuple[int, int, float]


def graph(edges: Sequence[Edge], shares: Mapping[int, float], tones: Mapping[int, str], label: str) -> str:
    """Nodes on a circle, and arrows as wide as their weight; "" where there is none.

    tones: the class of each node's color, which its arrows have, too.
    """
    edges = [edge for edge in edges if math.isfinite(edge[2]) and edge[2] > 0]
    nodes = sorted({node for start, end, _ in edges for node in (start, end)})
    if not edges or len(nodes) > _NODES:
        return ""
    places = {node: _place(i, len(nodes)) for i, node in enumerate(nodes)}
    # A region mostly follows itself: arrows to others would vanish beside its loop, so each kind has its own scale.
    most = {loop: max((w for i, j, w in edges if (i == j) == loop), default=1.0) for loop in (True, False)}
    drawn = "".join(
        f'<g class="{tones.get(edge[0], "")}">{_arrow(edge, places, most[edge[0] == edge[1]])}</g>' for edge in edges
    )
    drawn += "".join(
        f'<g class="{tones.get(node, "")}">{_node(node, at, shares.get(node))}</g>' for node, at in places.items()
    )
    return (
        f'<svg class="chart graph" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(label)}: {len(nodes)} regions, {len(edges)} transitions">{drawn}</svg>'
    )


def _place(i: int, count: int) -> tuple[float, float]:
    angle = 2 * math.pi * i / count - math.pi / 2
    return _WIDTH / 2 + _RADIUS * math.cos(angle), _HEIGHT / 2 + _RADIUS * math.sin(angle)


def _arrow(edge: Edge, places: dict[int, tuple[float, float]], most: float) -> str:
    """A bent arrow, so that there and back are two; from a node to itself a loop that looks outwards."""
    start, end, weight = edge
    (x, y), (u, v) = places[start], places[end]
    share = weight / most
    title = f"<title>{start} → {end}: {brief(weight)}</title>"
    looks = f'style="stroke-width:{0.6 + 3.4 * share:.2f};opacity:{0.35 + 0.65 * share:.2f}"'
    if start == end:
        out = math.hypot(x - _WIDTH / 2, y - _HEIGHT / 2) or 1.0
        a, b = (x - _WIDTH / 2) / out, (y - _HEIGHT / 2) / out
        return f'<circle class="edge" {looks} cx="{x + 14 * a:.1f}" cy="{y + 14 * b:.1f}" r="9">{title}</circle>'
    length = math.hypot(u - x, v - y)
    a, b = (u - x) / length, (v - y) / length
    middle = ((x + u) / 2 - 0.14 * (v - y), (y + v) / 2 + 0.14 * (u - x))
    tip = (u - a * (_NODE + 3), v - b * (_NODE + 3))
    path = f"M{x:.1f} {y:.1f}Q{middle[0]:.1f} {middle[1]:.1f} {tip[0]:.1f} {tip[1]:.1f}"
    return f'<path class="edge" {looks} d="{path}">{title}</path>{_head(tip, _toward(middle, tip), share)}'


def _toward(start: Sequence[float], end: Sequence[float]) -> tuple[float, float]:
    length = math.hypot(end[0] - start[0], end[1] - start[1]) or 1.0
    return (end[0] - start[0]) / length, (end[1] - start[1]) / length


def _head(tip: tuple[float, float], way: tuple[float, float], share: float) -> str:
    (x, y), (a, b), size = tip, way, 4 + 3 * share
    ends = [(x + 2 * a, y + 2 * b), (x - size * a - size * b / 2, y - size * b + size * a / 2)]
    ends.append((x - size * a + size * b / 2, y - size * b - size * a / 2))
    points = " ".join(f"{p:.1f},{q:.1f}" for p, q in ends)
    return f'<polygon class="head" style="opacity:{0.35 + 0.65 * share:.2f}" points="{points}"/>'


def _node(node: int, at: tuple[float, float], share: float | None) -> str:
    tooltip = "" if share is None else f"<title>region {node}: {share:.1%} of the time</title>"
    return (
        f'<circle class="node" cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{_NODE:.0f}">{tooltip}</circle>'
        f'<text x="{at[0]:.1f}" y="{at[1] + 3.5:.1f}">{node}</text>'
    )
