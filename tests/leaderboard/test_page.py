"""The page as a whole: well formed, harmless, and with everything that rows and claims tell."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_support import HOSTILE, data_of, drawn, filled, outline, page_of
from synthetic import row, rows_of, store

from dynamark.leaderboards.assemble import leaderboard
from dynamark.leaderboards.page.claims import claims_section
from dynamark.leaderboards.page.sources import Sources, bibtex
from dynamark.methods.catalog import METHODS
from dynamark.runners.claims.claim import EMPIRICAL, VERDICTS, Check, Claim, Interval, Verdict
from dynamark.runners.claims.relations import Below
from dynamark.runners.claims.verdicts import CheckResult, Evaluation, RunGroup
from dynamark.runners.plan.suite import load_suite
from dynamark.tasks.catalog import TASKS

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("nothing_published")


def test_the_page_is_well_formed_with_unique_ids_and_links_that_lead_somewhere(tmp_path: Path) -> None:
    text = page_of(tmp_path, filled())
    seen = outline(text).seen
    ids = [a["id"] for _, a in seen if "id" in a]
    assert len(ids) == len(set(ids))
    content = data_of(text)
    rows = {f"r{place}" for place in range(len(content["rows"]))}
    for _, attributes in seen:
        if "href" in attributes and "rel" not in attributes:
            assert str(attributes["href"])[1:] in {*ids, *rows}, attributes


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    text = page_of(tmp_path, filled())
    for _, attributes in outline(text).seen:
        assert not {"src", "srcset", "data", "action"} & set(attributes)
        # A link may lead elsewhere, without telling from where.
        assert str(attributes.get("href", "#")).startswith("#") or attributes.get("rel") == "noreferrer"
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_the_page_shows_cards_plots_and_pictures(tmp_path: Path) -> None:
    text = page_of(tmp_path, filled())
    for phrase in ("x&#x27; = 10 (y - x)", "skill against time", "skill against size", "error by time", "attractor"):
        assert phrase in text
    assert "eigenvalues" in text
    assert "1 failed run<" in text
    assert "SIGSEGV &lt;b&gt;" in text
    assert 'id="method-gd"' in text
    assert 'id="ref-xiong2024"' in text
    assert "@inproceedings{xiong2024" in text
    assert "uncovered" not in text
    assert 'class="guide"' in text  # the unit circle


def test_an_unknown_oracle_is_said(tmp_path: Path) -> None:
    unknown, known = ([row(method, oracle=end) for method in ("a", "b")] for end in (None, 0.01))
    assert "oracle unknown: ranks only" in page_of(tmp_path / "unknown", unknown)
    assert "oracle unknown" not in page_of(tmp_path / "known", known)


def test_every_row_can_be_run_again_from_the_page(tmp_path: Path) -> None:
    rows = filled()
    shown = {run[1] for _, _, runs in data_of(page_of(tmp_path, rows))["rows"] for run in runs}
    assert shown == {r["key"][:12] for r in rows}


def published_size() -> list[dict[str, Any]]:
    """Rows of every run of the standard suites, with the curves and pictures that their families have."""
    wild = np.random.default_rng(0)
    rows = []
    for family in ("sensing", "lds", "koopman", "chaos"):
        for entry in load_suite(f"standard-{family}").entries:
            for task, method, seed in itertools.product(entry.tasks, entry.methods, range(entry.seeds)):
                curves = drawn(family, seed, wild)
                value = float(np.exp(wild.standard_normal()))
                more = {"tier": "standard", "curves": curves, "steps": 1500, "peak_memory": 2**28}
                rows.append(row(method.label, task.label, seed, value, **more))
    return rows


def test_a_page_of_all_standard_suites_stays_small(tmp_path: Path) -> None:
    """The tasks that no board lists take at most a sixth of the page's 2 MB, beside the cards of all methods."""
    rows = published_size()
    store(tmp_path / "published", rows)
    size = len(leaderboard(keys=[r["key"] for r in rows]).to_html().encode())
    assert len(rows) > 800
    assert size < 600_000  # of which 250 kB are the cards of methods, which every page has


def test_methods_with_missing_runs_lead_neither_the_page_nor_its_plots(tmp_path: Path) -> None:
    scores = {f"chaos/{name}": [0.1, 0.2] for name in "abc"}
    rows = rows_of({"wide": scores, "wider": scores, "narrow": {"chaos/a": [0.011, 0.012]}}, parameters=10)
    rows += [row("lone", "lds/x", k, 0.1, tier="standard") for k in range(2)]
    for r in rows:
        r["parameters"] += 10 * ["narrow", "wide", "wider", "lone"].index(r["method"])
    text = page_of(tmp_path, rows)
    glance = re.findall(r"<article.*?</article>", text[: text.index("<nav")])
    chaos = next(panel for panel in glance if "Chaos" in panel)
    assert "2 methods on 3 tasks" in chaos
    assert "narrow" not in chaos
    lines = re.findall(r'<tr data-name="(\w+)"(?: class="([\w ]*)")?>', text)
    assert lines == [("wide", ""), ("wider", ""), ("narrow", "band")]  # last, set off, and not pale
    dots = re.findall(r'<circle class="(dot[ \w]*)"[^>]*><title>(\w+):', text)
    assert set(dots) == {("dot lead", "wide"), ("dot", "wider")}
    # A family of which a single method ran compares nothing.
    assert text.index('<section id="table-chaos-tiny"') < text.index('<section id="table-lds-standard"')


def test_the_foot_says_what_it_ran_on(tmp_path: Path) -> None:
    rows = [row("a", "chaos/a", 0, 1.0, provenance={"processor": HOSTILE, "threads": 2, "torch": "2", "numpy": "1"})]
    rows += [row("a", "chaos/a", k, 1.0) for k in (1, 2)]
    text = page_of(tmp_path, rows)
    assert "Run on some processor, 1 thread, torch None, NumPy None (2); &lt;/script&gt;" in text
    assert ", 2 threads, torch 2, NumPy 1 (1). " in text


def test_one_family_and_no_rows(tmp_path: Path) -> None:
    text = leaderboard(store(tmp_path / "s", filled()), family="sensing").to_text("html")
    assert "chaos" not in re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    assert "No rows yet" in page_of(tmp_path / "none", [])


def test_replaced_rows_are_counted(tmp_path: Path) -> None:
    rows = [*rows_of({"a": {"chaos/a": [1.0, 2.0]}}), row("a", method_source="old", finished="2025")]
    assert "1 older run, replaced" in page_of(tmp_path, rows)


def test_held_out_scores_stand_below_the_public_ones_and_their_rows_among_them(tmp_path: Path) -> None:
    rows = [row("a", "chaos/a", k, 0.5) for k in range(3)]
    rows += [row("a", "chaos/a", 0, 5.0, salt="x"), row("b", "chaos/a", 0, 1.0)]
    text = page_of(tmp_path, rows)
    assert 'title="on held-out data">5</small>' in text
    assert text.count('id="table-chaos-tiny') == 1
    assert "0, salt x" in {run[0] for _, _, runs in data_of(text)["rows"] for run in runs}
    assert re.search(r"<td data-value=\"0.1\d+\">0.100 <small>−0.\d+</small>", text)


def test_sections_at_a_glance_and_no_table_of_one(tmp_path: Path) -> None:
    both = {"chaos/a": [0.1, 0.2], "lds/a": [0.1, 0.2]}
    text = page_of(tmp_path, rows_of({"a": both, "b": both, "online": {"lds/regret": [0.1, 0.2]}}))
    glance = re.search(r'<div class="glance">.*?</div>', text)
    assert glance is not None
    assert re.findall(r'<a href="#(table-[\w-]+)">', glance.group()) == ["table-lds-tiny", "table-chaos-tiny"]
    # A single method on a task compares nothing: no table of one, but the card of its task, and its rows.
    assert '<a id="table-lds-tiny-regret"></a>' in text
    assert '<tr data-name="online"' not in text
    assert 'id="task-lds-regret-tiny"' in text
    outline(text)


def test_docstrings_are_read_without_importing() -> None:
    sources = Sources(METHODS)
    card = sources.about("method", "gd_small")
    assert card is not None
    assert (card.keys, card.fields) == (("xiong2024",), "start_scale=1e-6")
    assert card.equation.startswith("X <- X - eta")
    assert sources.about("method", "nobody's.py:Own") is None
    assert sources.metrics("chaos/lorenz63")["d_stsp"][0] == "nat"  # from its base class
    assert sources.metrics("nobody/knows") == {}
    assert all(sources.metrics(task) for task in TASKS), "of base classes in other files, too"
    assert all(sources.about("method", method) for method in METHODS)
    assert (bibtex("lorenz1963") or "").startswith("@article{lorenz1963")


def test_claims_stand_on_the_page_with_their_rows() -> None:
    def evaluated(name: str, verdict: Verdict, limit: float) -> Evaluation:
        check = Check("x<y", lambda _: Interval(1.0, 0.5, 2), Below(limit))
        claim = Claim(HOSTILE, EMPIRICAL, f"{HOSTILE} holds", [], [check], fair_controls=[check])
        result = CheckResult(check, Interval(1.0, 0.5, 2.0), verdict)
        keys = tuple(f"{k:064}" for k in range(25))
        groups = tuple(RunGroup(HOSTILE, f"m{key[-2:]}", "tiny", 1, 0, (key,)) for key in keys)
        return Evaluation(
            name,
            "chaos",
            claim,
            verdict,
            (result,),
            (),
            keys,
            0,
            0,
            fair_controls=(result,),
            runs=groups,
            reason=HOSTILE,
        )

    never = Evaluation("C3", "lds", evaluated("C3", "reproduced", 2).claim, "not run", (), (), (), 3, 0)
    text = claims_section(
        [
            evaluated("C1", "reproduced", 3.0),
            evaluated("C2", "not reproduced", 0.1),
            evaluated("C4", "confounded", 3),
            never,
        ]
    )
    outline(text)
    assert "4 claims of 1 paper: 1 reproduced, 1 not reproduced, 1 confounded, 1 not run" in text
    assert 'class="v-confounded"' in text
    assert "<b>≈</b> confounded" in text
    assert "<span>x&lt;y </span><span><b>1</b> <small>[0.5, 2]</small>" in text
    assert "<small>[0.5, 2]</small></span> <small>≤ 3</small>" in text
    assert text.count("dynamark reproduce") == 60
    assert "and 5 more: <code>dynamark claims show C1" in text
    assert "<script>" not in text
    assert 'id="claim-C3"' not in text
    assert claims_section([never]) == ""


def test_every_verdict_has_a_color() -> None:
    style = (ROOT / "leaderboard" / "assets" / "page.css").read_text()
    for verdict in VERDICTS:
        assert verdict == "not run" or f".v-{verdict.replace(' ', '-')} {{ color:" in style
