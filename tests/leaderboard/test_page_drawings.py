"""What the page draws: equations, scales, curves, graphs and pictures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from page_support import HOSTILE, curve, outline, page_of
from synthetic import row

from dynamark.leaderboards.page.claims import claims_section
from dynamark.leaderboards.page.curves import Line, _middle, _thinned
from dynamark.leaderboards.page.graph import graph
from dynamark.leaderboards.page.markup import brief, cost, equation, seconds, slug
from dynamark.leaderboards.page.svg import Chart, Scale, around, wants_logarithm
from dynamark.leaderboards.page.symbols import codes
from dynamark.runners.claims.claim import EMPIRICAL, Check, Claim, Interval
from dynamark.runners.claims.verdicts import CheckResult, Evaluation

pytestmark = pytest.mark.usefixtures("nothing_published")


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("w_{t+1} = w_t - eta g_t", "w<sub>t+1</sub> = w<sub>t</sub> - η g<sub>t</sub>"),
        ("y^_t = sum_{i<taps} u_{t-i}", "ŷ<sub>t</sub> = Σ<sub>i&lt;taps</sub> u<sub>t-i</sub>"),
        ("X <- (X^T X)^{-1}", "X ← (X<sup>T</sup> X)<sup>-1</sup>"),
        ("the sum of sum(a)", "the sum of Σ(a)"),
        ("x^2 + A* X^", "x<sup>2</sup> + A* X̂"),
        ("<script>a_b</script>", "&lt;script&gt;a<sub>b</sub>&lt;/script&gt;"),
        ("a method, tested; the summary of beta", "a method, tested; the summary of β"),
    ],
)
def test_equations_are_set(text: str, html: str) -> None:
    assert equation(text) == html


def test_numbers_are_short() -> None:
    assert [brief(v) for v in (1.2345, 1.5e-7, 0.0, None, float("nan"), -2e20)] == [
        "1.23",
        "1.5·10⁻⁷",
        "0",
        "",
        "",
        "-2·10²⁰",
    ]
    assert [seconds(v) for v in (0.0123, 1.0, 90.0, 7200.0, None)] == ["12 ms", "1 s", "1.5 min", "2 h", ""]
    assert seconds(1.1e-5) == "11 µs"
    assert [cost(v) for v in (None, 12, 1234, 5_600_000)] == ["", "12", "1.23k", "5.6M"]


def test_ids_are_different_for_different_names() -> None:
    names = ["a b", "a-b", "a/b", "a<b", "a>b", ""]
    assert len({slug("m", n) for n in names}) == len(names)
    assert all(re.fullmatch(r"[\w.-]+", slug("m", n)) for n in names)


def test_scales_and_ticks() -> None:
    linear = Scale(0, 10, False, 0, 100)
    assert [linear(v) for v in (0, 5, 10, 20, -3)] == [0, 50, 100, 100, 0]
    assert [v for v, _ in linear.ticks()] == [0, 2, 4, 6, 8, 10]
    log = Scale(1e-6, 1e2, True, 0, 80)
    assert log(1e-2) == pytest.approx(40)
    assert [t for _, t in log.ticks()] == ["10⁻⁶", "10⁻⁴", "10⁻²", "1", "10²"]
    assert [t for _, t in Scale(1e-2, 1e2, True, 0, 80).ticks()] == ["0.01", "0.1", "1", "10", "100"]
    assert [v for v, _ in Scale(1, 9, True, 0, 1).ticks()] == [1, 2, 5]
    assert [v for v, _ in Scale(15, 95, True, 0, 1).ticks()] == [20, 40, 60, 80]
    for low, high, log_ in ((1.0, 1.0, False), (0.0, 0.0, False), (3.0, 3.0, True), (1e-300, 1e300, True)):
        scale = Scale(*around(np.array([low, high]), log_), log_, 0, 1)
        assert 0 < len(scale.ticks()) <= 12


def test_lines_break_where_there_is_nothing_to_draw() -> None:
    chart = Chart("l", ("x", (1, 10), True), ("y", (1, 10), True))
    chart.line([1, 2, 3, 4, 5], [1, np.nan, 3, -1, 5], "c0")
    assert chart.marks[0].count("M") == 3
    assert "h0" not in chart.marks[0]
    chart.line([0, 0], [1, 1], "c0")
    assert len(chart.marks) == 1
    chart.line([2], [2], "c0")  # a single point shows as a dot
    assert chart.marks[1].startswith('<path class="line c0 single" d="M')
    assert chart.marks[1].count("h0") == 1


def test_labels_do_not_cover_each_other() -> None:
    chart = Chart("l", ("x", (0, 10), False), ("y", (0, 10), False))
    for y in (5, 5.1, 9):
        chart.text(1, y, "a name")
    assert len(chart.marks) == 2


def test_logarithms_only_where_values_span_decades() -> None:
    assert wants_logarithm(np.array([1e-4, 1.0]))
    assert not wants_logarithm(np.array([1.0, 2.0]))
    assert not wants_logarithm(np.array([0.0, 1e5]))
    assert not wants_logarithm(np.array([np.nan]))


def test_the_median_curve_reads_all_seeds_at_one_axis() -> None:
    axis = np.arange(4.0)
    same = _middle([Line(axis, axis), Line(axis, 3 * axis), Line(axis, 9 * axis)])
    assert same.values.tolist() == (3 * axis).tolist()
    # One that stopped early keeps its last value.
    short = _middle([Line(axis, axis), Line(np.array([0.0, 2.0]), np.array([0.0, 6.0]))])
    assert short.values.tolist() == [0, 2, 4, 4.5]
    assert len(_thinned(Line(np.arange(1.0, 129), np.ones(128)), True).axis) <= 40


def test_curves_that_differ_in_a_number_share_a_chart_and_fitting_is_not_drawn(tmp_path: Path) -> None:
    curves = [curve(f"singular_value_{k}_by_steps", k) for k in (1, 2, 10)] + [curve("training_loss", 0)]
    text = page_of(tmp_path, [row("gd", "sensing/psd", 0, curves=curves)])
    assert text.count("<figcaption>singular value by steps, gd</figcaption>") == 1
    assert re.findall(r'<li class="c\d">(\d+)</li>', text) == ["1", "2", "10"]
    assert "training loss" not in text


def code_row(edges: dict[tuple[int, int], float]) -> dict[str, Any]:
    """A measurement of the code of a network with two rectified units."""

    def line(name: str, axis: Any, values: Any) -> dict[str, Any]:
        return {"name": name, "axis": [float(a) for a in axis], "values": [float(v) for v in values]}

    curves = [
        line("symbolic_graph", [4 * i + j for i, j in edges], edges.values()),
        line("region_occupation", [0, 1, 3], [0.5, 0.3, 0.2]),
        *(line(f"region_{i}", [i, i + 1, i + 2], [1, 2, 1]) for i in (0, 1, 3)),
        line("fixed_points", [0.5], [1.5]),
    ]
    fields = json.dumps({"rectified": 2, "system": "lorenz63"})
    return row("experiment", f"chaos/{HOSTILE}", tier="experiment", task_fields=fields, curves=curves)


def test_a_symbolic_graph_has_a_node_a_region_and_an_arrow_a_transition() -> None:
    base_row = code_row({(0, 1): 0.2, (1, 0): 0.1, (1, 1): 0.9, (3, 0): 0.5, (0, 3): 0.0})  # never followed: no arrow
    actual = codes(pandas.DataFrame([base_row]))
    assert list(actual) == [base_row["key"]]
    text = actual[base_row["key"]]
    outline(text)
    assert "<script>" not in text
    assert text.count('class="node"') == 3
    assert text.count('class="head"') == 3
    assert text.count('<circle class="edge"') == 1  # a loop
    assert "0 → 1: 0.2" in text
    assert "region 3: 20.0% of the time" in text
    assert "3 regions, 4 transitions" in text
    assert text.count('class="dots c') == 3
    assert text.count('class="dots fixed') == 1


def test_rows_without_a_code_have_no_figure() -> None:
    rows = [row("a", curves=[curve("error", 0)]), row("b", curves=None)]
    assert codes(pandas.DataFrame(rows)) == {}
    assert graph([], {}, {}, "l") == ""
    assert graph([(k, k + 1, 1.0) for k in range(40)], {}, {}, "l") == ""  # a ball of wool


def test_a_claim_shows_the_figure_of_its_first_row() -> None:
    claim = Claim("p", EMPIRICAL, "s", [], [Check("x", lambda _: Interval.exactly(1.0), None)])
    result = CheckResult(claim.checks[0], Interval.exactly(1.0), "reproduced")
    evaluation = Evaluation("X1", "chaos", claim, "reproduced", (result,), (), ("k0", "k1", "k2"), 0, 0)
    text = claims_section([evaluation], {"k1": "<b>one</b>", "k2": "<b>two</b>"})
    assert "<b>one</b>" in text
    assert "<b>two</b>" not in text


def test_pictures_show_the_truth_even_beside_a_model_that_runs_away(tmp_path: Path) -> None:
    def picture(name: str, x: Any, y: Any) -> dict[str, Any]:
        return {"name": name, "axis": list(map(float, x)), "values": list(map(float, y))}

    turn = np.linspace(0, 6, 200)
    curves = [
        picture("attractor", np.exp(9 * turn), turn),
        picture("attractor_true", np.cos(turn), np.sin(turn)),
        picture("eigenvalues", [0.5, np.nan], [0.5, 1.0]),
        picture("eigenvalues_true", [0.5], [0.4]),
        picture("singular_values", [1, 2, 3], [1, 1e-3, 0]),
        picture("singular_values_true", [1, 2], [1, 0.5]),
    ]
    text = page_of(tmp_path, [row("esn", "chaos/lorenz63", 0, curves=curves)])
    truth = re.search(r'<path class="line thin truth" d="M(\d+) \d+((?:l-?\d+ ?-?\d+)+)"', text)
    assert truth is not None
    steps = [int(re.match(r"-?\d+", move)[0]) for move in truth.group(2).split("l")[1:]]  # type: ignore[index]
    places = (int(truth.group(1)) + np.cumsum(steps)) / 10
    assert np.ptp(places) > 50  # pixels
    for name in ("attractor", "eigenvalues", "singular values"):
        assert f"<figcaption>{name}</figcaption>" in text
    assert [len(re.findall("h0", d)) for d in re.findall(r'class="dots truth" stroke-width="100" d="(.*?)"', text)] == [
        1,
        2,
    ]
    guide = re.search(r'class="guide" cx="\S+" cy="\S+" rx="(\S+)" ry="(\S+)"', text)
    assert guide is not None
    assert float(guide.group(1)) == pytest.approx(float(guide.group(2)), abs=0.1)  # a circle is round
