"""The page: whole, harmless, and at work in a real browser where there is one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from synthetic import row, rows_of, store

from dynamark.cli.leaderboard import leaderboard
from dynamark.leaderboard import rows as rows_module
from dynamark.leaderboard import table as table_module
from dynamark.leaderboard.claims.claim import EMPIRICAL, Below, Check, Claim, Measured, Verdict
from dynamark.leaderboard.claims.verdicts import Finding, Judged
from dynamark.leaderboard.page.claims import claims_section
from dynamark.leaderboard.page.curves import Line, _middle, _thinned
from dynamark.leaderboard.page.graph import graph
from dynamark.leaderboard.page.markup import brief, cost, equation, seconds, slug
from dynamark.leaderboard.page.sources import Sources, bibtex
from dynamark.leaderboard.page.svg import Chart, Scale, around, wants_logarithm
from dynamark.leaderboard.page.symbols import codes
from dynamark.methods.catalogue import METHODS
from dynamark.tasks.catalogue import TASKS


@pytest.fixture(autouse=True)
def _nothing_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rows_module, table_module):
        monkeypatch.setattr(module, "published_store", lambda: tmp_path / "published")


def curve(name: str, seed: int, length: int = 128) -> dict[str, Any]:
    axis = np.arange(1.0, length + 1)
    return {"name": name, "axis": axis.tolist(), "values": (axis * (1 + 0.1 * seed)).tolist()}


def filled(methods: tuple[str, ...] = ("gd", "persistence", "mine.py:Mine"), seeds: int = 3) -> list[dict[str, Any]]:
    rows = []
    for i, method in enumerate(methods):
        for task in ("chaos/lorenz63", "sensing/psd"):
            for seed in range(seeds):
                curves = [curve("error_by_time", seed), *(curve(n, 0, 9) for n in ("attractor", "attractor_true"))]
                curves += [curve("eigenvalues", 0, 3), curve("singular_values", 0, 4)]
                cost = {"fit_seconds": 10.0**i, "parameters": 100 // (i + 1), "curves": curves}
                rows.append(row(method, task, seed, (0.1 + seed / 10) * 2**i, **cost))
    rows.append(row("gd", "chaos/rossler", 0, None, reason="SIGSEGV <b>"))
    return rows


def page_of(folder: Path, rows: list[dict[str, Any]]) -> str:
    return leaderboard(store(folder / "store", rows), format="html")


class Outline(HTMLParser):
    """Every element's attributes; and whether elements close in order."""

    VOID = frozenset({"meta", "input", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(text: str) -> Outline:
    parsed = Outline()
    parsed.feed(text)
    assert parsed.open == []
    return parsed


def test_the_page_is_well_formed_with_unique_ids_and_links_that_lead_somewhere(tmp_path: Path) -> None:
    text = page_of(tmp_path, filled())
    seen = outline(text).seen
    ids = [a["id"] for _, a in seen if "id" in a]
    assert len(ids) == len(set(ids))
    rows = set(re.findall(r'"(r\d+)":\{', text))
    for _, attributes in seen:
        if "href" in attributes:
            assert str(attributes["href"])[1:] in {*ids, *rows}, attributes


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    text = page_of(tmp_path, filled())
    for _, attributes in outline(text).seen:
        assert not {"src", "srcset", "data", "action"} & set(attributes)
        assert str(attributes.get("href", "#")).startswith("#")
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_the_page_shows_cards_plots_and_pictures(tmp_path: Path) -> None:
    text = page_of(tmp_path, filled())
    for told in ("x&#x27; = 10 (y - x)", "skill against time", "skill against size", "error by time", "attractor"):
        assert told in text
    assert "eigenvalues" in text
    assert "1 failed run<" in text
    assert "SIGSEGV &lt;b&gt;" in text
    assert 'id="method-gd"' in text
    assert "xiong2024" in text
    assert 'class="guide"' in text  # the unit circle


def test_every_row_can_be_run_again_from_the_page(tmp_path: Path) -> None:
    rows = filled()
    text = page_of(tmp_path, rows)
    for r in rows:
        assert r["key"][:12] in text


def test_a_page_of_the_published_size_stays_small(tmp_path: Path) -> None:
    """80 tasks with 12 methods and 5 seeds, a tenth of that once more at the tiny tier; every fourth task has pictures."""
    wild = np.random.default_rng(0).standard_normal((3, 2000))
    pictures = [
        {"name": name, "axis": x[:length].tolist(), "values": wild[0, :length].tolist()}
        for name, x, length in (
            ("attractor", wild[1], 2000),
            ("attractor_true", wild[2], 2000),
            ("eigenvalues", wild[1], 100),
        )
    ]
    rows = [
        row(
            f"method{m}",
            f"{('chaos', 'lds', 'koopman', 'sensing')[t % 4]}/task{t}",
            seed,
            0.1 * (m + 1),
            tier=tier,
            curves=[curve(f"{n}_by_time", seed) for n in ("error", "regret")] * (seed < 2)
            + pictures * (seed + t % 4 == 0),
        )
        for tier, tasks in (("standard", 80), ("tiny", 8))
        for m in range(12)
        for t in range(tasks)
        for seed in range(5)
    ]
    assert len(page_of(tmp_path, rows)) < 1_900_000  # what is left is for cards of methods and claims


def test_one_family_and_no_rows(tmp_path: Path) -> None:
    text = leaderboard(store(tmp_path / "s", filled()), format="html", family="sensing")
    assert "chaos" not in re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    assert "No rows yet" in page_of(tmp_path / "none", [])


def test_replaced_rows_are_counted(tmp_path: Path) -> None:
    rows = [*rows_of({"a": {"chaos/a": [1.0, 2.0]}}), row("a", method_source="old", finished="2025")]
    assert "1 older run, replaced" in page_of(tmp_path, rows)


# --- parts


@pytest.mark.parametrize(
    ("text", "told"),
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
def test_equations_are_set(text: str, told: str) -> None:
    assert equation(text) == told


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
    assert [t for _, t in log.ticks()] == ["10⁻⁶", "10⁻⁴", "0.01", "1", "100"]
    assert [v for v, _ in Scale(1, 9, True, 0, 1).ticks()] == [1, 2, 5]
    assert [v for v, _ in Scale(15, 95, True, 0, 1).ticks()] == [20, 40, 60, 80]
    for low, high, log_ in ((1.0, 1.0, False), (0.0, 0.0, False), (3.0, 3.0, True), (1e-300, 1e300, True)):
        scale = Scale(*around(np.array([low, high]), log_), log_, 0, 1)
        assert 0 < len(scale.ticks()) <= 12


def test_lines_break_where_there_is_nothing_to_draw() -> None:
    chart = Chart("l", ("x", (1, 10), True), ("y", (1, 10), True))
    chart.line([1, 2, 3, 4, 5], [1, np.nan, 3, -1, 5], "c0")
    assert chart.marks[0].count("M") == 3
    chart.line([0, 0], [1, 1], "c0")
    assert len(chart.marks) == 1


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
    told = code_row({(0, 1): 0.2, (1, 0): 0.1, (1, 1): 0.9, (3, 0): 0.5, (0, 3): 0.0})  # never followed: no arrow
    found = codes(pandas.DataFrame([told]))
    assert list(found) == [told["key"]]
    text = found[told["key"]]
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
    claim = Claim("p", EMPIRICAL, "s", [], [Check("x", lambda _: Measured.exactly(1.0), None)])
    finding = Finding(claim.checks[0], Measured.exactly(1.0), "reproduced")
    judged = Judged("X1", "chaos", claim, "reproduced", (finding,), (), ("k0", "k1", "k2"), 0, 0)
    text = claims_section([judged], {"k1": "<b>one</b>", "k2": "<b>two</b>"})
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
    truth = re.search(r'<path class="line thin truth" d="M([\d.]+) [\d.]+((?:l\S+ \S+)+)"', text)
    assert truth is not None
    steps = [float(move.split()[0]) for move in truth.group(2).split("l")[1:]]
    places = float(truth.group(1)) + np.cumsum(steps)
    assert np.ptp(places) > 50  # pixels
    for name in ("attractor", "eigenvalues", "singular values"):
        assert f"<figcaption>{name}</figcaption>" in text
    assert [len(re.findall("h0", d)) for d in re.findall(r'class="dots truth" stroke-width="10" d="(.*?)"', text)] == [
        1,
        2,
    ]
    guide = re.search(r'class="guide" cx="\S+" cy="\S+" rx="(\S+)" ry="(\S+)"', text)
    assert guide is not None
    assert float(guide.group(1)) == pytest.approx(float(guide.group(2)), abs=0.1)  # a circle is round


def test_held_out_scores_stand_below_the_public_ones_and_their_rows_among_them(tmp_path: Path) -> None:
    rows = [row("a", "chaos/a", k, 0.5) for k in range(3)]
    rows += [row("a", "chaos/a", 0, 5.0, salt="x"), row("b", "chaos/a", 0, 1.0)]
    text = page_of(tmp_path, rows)
    assert 'title="on held-out data">5</small>' in text
    assert text.count('id="table-chaos-tiny') == 1
    assert '["0, salt x",' in text
    assert re.search(r"<td data-value=\"0.1\d+\">0.100 <small>−0.\d+</small>", text)


def test_sections_at_a_glance_and_over_several_families(tmp_path: Path) -> None:
    both = {"chaos/a": [0.1, 0.2], "lds/a": [0.1, 0.2]}
    text = page_of(tmp_path, rows_of({"a": both, "b": both, "online": {"lds/regret": [0.1, 0.2]}}))
    glance = re.search(r'<div class="glance">.*?</div>', text)
    assert glance is not None
    assert re.findall(r'<a href="#(table-[\w-]+)">', glance.group()) == ["table-lds-tiny", "table-chaos-tiny"]
    assert '<h3 id="table-lds-tiny-regret">regret</h3>' in text
    assert ">2 tasks of lds and chaos</h3>" in text
    outline(text)


def test_docstrings_are_read_without_importing() -> None:
    sources = Sources(METHODS)
    told = sources.about("method", "gd_small")
    assert told is not None
    assert (told.key, told.fields) == ("xiong2024", "start_scale=1e-6")
    assert told.equation.startswith("X <- X - eta")
    assert sources.about("method", "nobody's.py:Own") is None
    assert sources.metrics("chaos/lorenz63")["d_stsp"][0] == "nat"  # from its base class
    assert sources.metrics("nobody/knows") == {}
    assert all(sources.metrics(task) for task in TASKS), "of base classes in other files, too"
    assert all(sources.about("method", method) for method in METHODS)
    assert (bibtex("lorenz1963") or "").startswith("@article{lorenz1963")


def test_claims_stand_on_the_page_with_their_rows() -> None:
    def judged(name: str, value: float, limit: float) -> Judged:
        claim = Claim(
            HOSTILE, EMPIRICAL, f"{HOSTILE} holds", [], [Check("x<y", lambda _: Measured(value, 0.5, 2), Below(limit))]
        )
        verdict: Verdict = "reproduced" if value < limit else "not reproduced"
        finding = Finding(claim.checks[0], Measured(value, 0.5, 2.0), verdict)
        return Judged(name, "chaos", claim, verdict, (finding,), (), tuple(f"{k:064}" for k in range(25)), 0, 0)

    never = Judged("C3", "lds", judged("C3", 1, 2).claim, "not run", (), (), (), 3, 0)
    text = claims_section([judged("C1", 1.0, 3.0), judged("C2", 1.0, 0.1), never])
    outline(text)
    assert "3 claims of 1 papers: 1 reproduced, 1 not reproduced, 1 not run" in text
    assert "<span>x&lt;y </span><span><b>1</b> <small>[0.5, 2]</small>" in text
    assert '<small title="what it must be">≤ 3</small>' in text
    assert text.count("dynamark reproduce") == 40
    assert "and 5 more: <code>dynamark claims show C1" in text
    assert "<script>" not in text
    assert 'id="claim-C3"' not in text
    assert claims_section([never]) == ""


# --- in a browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
HOSTILE = "</script><script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">'\"><b>"


def dom(path: Path, fragment: str = "") -> str:
    """The page after its scripts ran."""
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", *quiet]
    command += [f"--user-data-dir={path.parent / 'profile'}", "--virtual-time-budget=3000", "--dump-dom"]
    done = subprocess.run([*command, path.as_uri() + fragment], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


@browser
@pytest.mark.parametrize("guarded", [True, False])
def test_a_hostile_name_does_not_run(tmp_path: Path, guarded: bool) -> None:
    """Neither with the page's policy for scripts nor, by escaping alone, without."""
    rows = filled((HOSTILE, "gd"))
    rows += [
        row("gd", f"chaos/{HOSTILE}", metric=HOSTILE, curves=[curve(HOSTILE, 0)]),
        row("gd", "chaos/x", 1, None, reason=HOSTILE),
    ]
    text = page_of(tmp_path, rows)
    if not guarded:
        text = re.sub(r"<meta http-equiv.*?>", "", text, flags=re.DOTALL)
    (tmp_path / "page.html").write_text(text)
    told = dom(tmp_path / "page.html", "#r0")
    assert "<title>dynamark leaderboard</title>" in told
    assert "<img" not in told
    assert re.search(r"<dialog[^>]* open", told)  # the page's own script ran


@browser
def test_sorting_filtering_and_rows_work(tmp_path: Path) -> None:
    text = page_of(tmp_path, filled())
    probe = """<script>
    const heads = [...document.querySelectorAll("main table th button")];
    const names = () => [...document.querySelectorAll("main table tbody")][0].rows;
    const order = () => [...names()].map((line) => line.children[0].dataset.value).join(" ");
    const told = [order()];
    heads.find((b) => b.textContent === "fit").click(); told.push(order());
    heads.find((b) => b.textContent === "fit").click(); told.push(order());
    heads.find((b) => b.textContent === "method").click(); told.push(order());
    const box = document.querySelector("#filter"); box.value = "MINE"; box.dispatchEvent(new Event("input"));
    told.push([...names()].filter((line) => !line.hidden).length);
    told.push([...document.querySelectorAll("#methods .card")].filter((card) => !card.hidden).length);
    told.push(heads.filter((b) => b.parentElement.hasAttribute("aria-sort")).length);
    document.title = told.join("|");
    </script></body>"""
    text = re.sub(r"<meta http-equiv.*?>", "", text, flags=re.DOTALL).replace("</body>", probe)
    (tmp_path / "page.html").write_text(text)
    told = re.search(r"<title>(.*?)</title>", dom(tmp_path / "page.html"))
    assert told is not None
    first, up, down, by_name, lines, cards, sorted_by = told.group(1).split("|")
    assert first == "gd persistence mine.py:Mine"
    assert up == "gd persistence mine.py:Mine"
    assert down == "mine.py:Mine persistence gd"
    assert by_name == "gd mine.py:Mine persistence"
    assert (lines, cards, sorted_by) == ("1", "1", "1")


@browser
def test_the_rows_behind_a_number_open_by_its_address(tmp_path: Path) -> None:
    rows = filled()
    (tmp_path / "page.html").write_text(page_of(tmp_path, rows))
    told = dom(tmp_path / "page.html", "#r1")
    dialog = re.search(r"<dialog.*?</dialog>", told, re.DOTALL)
    assert dialog is not None
    assert " open" in dialog.group().split(">")[0]
    assert len(re.findall(r"dynamark reproduce [0-9a-f]{12}", dialog.group())) == 3
