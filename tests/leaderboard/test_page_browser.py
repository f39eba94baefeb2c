"""The page at work in a real browser, where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from page_support import HOSTILE, board_rows, curve, file_of, filled, unpacked
from synthetic import arrow, row

from dynamark.leaderboards.boards import board_table
from dynamark.leaderboards.statistics import wilson
from dynamark.runners.plan.board import read_board

pytestmark = pytest.mark.usefixtures("nothing_published")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")


def dom(path: Path, fragment: str = "", *flags: str) -> str:
    """The page after its scripts ran."""
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", *quiet]
    command += [f"--user-data-dir={path.parent / 'profile'}", "--virtual-time-budget=3000", *flags, "--dump-dom"]
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
    text = file_of(tmp_path, rows)
    if not guarded:
        text = re.sub(r"<meta http-equiv.*?>", "", text, flags=re.DOTALL)
    (tmp_path / "page.html").write_text(text)
    output = dom(tmp_path / "page.html", "#r0")
    assert "<title>dynamark leaderboard</title>" in output
    assert "<img" not in output
    assert re.search(r"<dialog[^>]* open", output)  # the page's own script ran


@browser
def test_sorting_filtering_and_rows_work(tmp_path: Path) -> None:
    text = file_of(tmp_path, filled())
    probe = """<script>
    const heads = [...document.querySelectorAll("main table th button")];
    const names = () => [...document.querySelectorAll("main table tbody")][0].rows;
    const order = () => [...names()].map((line) => line.children[0].dataset.value).join(" ");
    const values = [order()];
    heads.find((b) => b.textContent === "fit").click(); values.push(order());
    heads.find((b) => b.textContent === "fit").click(); values.push(order());
    heads.find((b) => b.textContent === "method").click(); values.push(order());
    const box = document.querySelector("#filter"); box.value = "MINE"; box.dispatchEvent(new Event("input"));
    values.push([...names()].filter((line) => !line.hidden).length);
    values.push([...document.querySelectorAll("#methods .card")].filter((card) => !card.hidden).length);
    values.push(heads.filter((b) => b.parentElement.hasAttribute("aria-sort")).length);
    document.title = values.join("|");
    </script></body>"""
    text = re.sub(r"<meta http-equiv.*?>", "", text, flags=re.DOTALL).replace("</body>", probe)
    (tmp_path / "page.html").write_text(text)
    match = re.search(r"<title>(.*?)</title>", dom(tmp_path / "page.html"))
    assert match is not None
    first, up, down, by_name, lines, cards, sorted_by = match.group(1).split("|")
    assert first == "gd persistence mine.py:Mine"
    assert up == "gd persistence mine.py:Mine"
    assert down == "mine.py:Mine persistence gd"
    assert by_name == "gd mine.py:Mine persistence"
    assert (lines, cards, sorted_by) == ("1", "1", "1")


@browser
def test_the_rows_behind_a_number_open_by_its_address(tmp_path: Path) -> None:
    rows = filled()
    (tmp_path / "page.html").write_text(file_of(tmp_path, rows))
    output = dom(tmp_path / "page.html", "#r1")
    dialog = re.search(r"<dialog.*?</dialog>", output, re.DOTALL)
    assert dialog is not None
    assert " open" in dialog.group().split(">")[0]
    assert len(re.findall(r"dynamark reproduce [0-9a-f]{12}", dialog.group())) == 3


def probed(path: Path, text: str, script: str, *flags: str) -> str:
    """The title that a script gives the page after its own script ran."""
    text = re.sub(r"<meta http-equiv.*?>", "", text, flags=re.DOTALL)
    path.write_text(text.replace("</body>", f"<script>{{ {script} }}</script></body>"))
    match = re.search(r"<title>(.*?)</title>", dom(path, "", *flags))
    assert match is not None
    return match.group(1)


@browser
def test_the_choice_of_a_method_shows_boards_and_methods_that_fit(tmp_path: Path) -> None:
    """Observed partially: of these boards chaos/partial alone; with noise, ranked on its two noisy tasks; within the seconds."""
    rows = board_rows(["chaos/attractors", "chaos/partial", "koopman/fields"])
    noisy = [task for task in read_board("chaos/partial").tasks if "noise" in task]
    partial = [r for r in rows if r["task"] in noisy]
    skills = {
        name: np.mean(
            [np.clip(np.log(10 / r["primary"]["value"]) / np.log(1000), 0, 1) for r in partial if r["method"] == name]
        )
        for name in {r["method"] for r in partial if r["fit_seconds"] <= 1}
    }
    best = sorted(skills, key=lambda name: -skills[name])[:3]
    script = """
    const form = document.querySelector("#picker form"), answers = () => [...document.querySelectorAll(".answer article")];
    inside.then(() => {
      form.observed.value = "partially"; form.noise.value = "1"; form.seconds.value = "1";
      form.dispatchEvent(new Event("input"));
      const values = answers().map((card) => card.querySelector("h3").textContent + ": "
        + [...card.querySelectorAll("li")].map((line) => line.firstChild.textContent.trim()).join(" "));
      form.inputs.value = "1"; form.dispatchEvent(new Event("input"));
      document.title = [...values, document.querySelector(".answer").textContent].join("|");
    });
    """
    output = probed(tmp_path / "page.html", file_of(tmp_path, rows), script).split("|")
    assert output == [f"chaos/partial: {' '.join(best)}", "No board has a task like this. Relax a choice."]


@browser
def test_what_the_file_holds_compressed_is_put_into_its_place(tmp_path: Path) -> None:
    text = file_of(tmp_path, filled())
    script = """
    const places = [...document.querySelectorAll("svg.chart, svg.map, pre.bibtex, details.more, ul.folded")];
    const empty = places.filter((place) => place.childNodes.length === 0).length;
    inside.then(() => {
      const drawn = places.filter((place) => place.matches("svg") && place.querySelector("path") instanceof SVGPathElement);
      const entry = document.querySelector("#ref-xiong2024 pre").textContent;
      document.title = [places.length, empty, drawn.length, entry.split(",")[0]].join("|");
    });
    """
    elements = unpacked(text, "inside")["elements"]
    charts = sum("<path" in element for element in elements)
    output = probed(tmp_path / "page.html", text, script)
    assert charts > 5
    assert output == f"{len(elements)}|{len(elements)}|{charts}|@inproceedings{{xiong2024"


@browser
def test_the_map_of_win_rates_reads_out_a_pair_and_columns_of_tasks_sort(tmp_path: Path) -> None:
    rows = board_rows(["koopman/fields"])
    table = board_table(read_board("koopman/fields"), arrow(rows))
    script = """
    inside.then(() => {
    const map = document.querySelector(".wins svg"), box = map.getBoundingClientRect();
    const [left, top, size] = map.dataset.grid.split(" ").map(Number);
    const at = { clientX: box.left + left + 4.5 * size, clientY: box.top + top + 1.5 * size };
    map.dispatchEvent(new PointerEvent("pointermove", at));
    const heads = [...document.querySelectorAll(".board th.task button")], body = document.querySelector(".board tbody");
    heads[0].click();
    const named = (line) => line.children[0].dataset.value;
    const sorted = [...body.rows].map(named);
    document.title = [document.querySelector(".wins output").textContent, ...sorted].join("|");
    });
    """
    output, *order = probed(tmp_path / "page.html", file_of(tmp_path, rows), script).split("|")
    second, fifth = table.places[1].method, table.places[4].method
    share = table.wins[1][4]
    low, high = wilson(share, table.cells)
    assert output == (
        f"{second} beats {fifth} on {100 * share:.0f} % of 35 runs (95 % interval {100 * low:.0f} to {100 * high:.0f} %)"
    )
    first = table.tasks[0].name
    scores = [next(p for p in table.places if p.method == name).scores[first] for name in order]
    assert [f"{score:.3g}" for score in scores] == [f"{score:.3g}" for score in sorted(scores)]


@browser
def test_a_phone_shows_method_rank_and_skill_and_the_rest_on_demand(tmp_path: Path) -> None:
    """In a frame of 390 pixels: three cells a line, and nothing wider than the screen."""
    (tmp_path / "board.html").write_text(
        re.sub(r"<meta http-equiv.*?>", "", file_of(tmp_path, board_rows(["koopman/fields"])), flags=re.DOTALL)
    )
    script = """
    const frame = Object.assign(document.createElement("iframe"), { src: "board.html", width: 390, height: 900 });
    frame.onload = () => {
      const inside = frame.contentDocument, line = inside.querySelector(".board tbody tr");
      const shown = () => [...line.cells].filter((cell) => cell.getBoundingClientRect().height > 0).length;
      const folded = shown();
      line.querySelector(".fold").click();
      const wide = inside.querySelector(".board").scrollWidth <= inside.querySelector(".board").clientWidth;
      const labels = [...line.cells].filter((cell) => cell.matches(".heat")).map((cell) => cell.dataset.label);
      document.title = [folded, shown() === line.cells.length, wide, inside.documentElement.scrollWidth, ...labels].join("|");
    };
    document.body.append(frame);
    """
    shell = "<html><head><title>no</title></head><body></body></html>"
    flags = ["--allow-file-access-from-files"]
    output = probed(tmp_path / "page.html", shell, script, *flags).split("|")
    assert output[:3] == ["3", "true", "true"]
    assert int(output[3]) <= 390
    assert output[4:] == sorted(task.split("/")[1] for task in read_board("koopman/fields").tasks)
