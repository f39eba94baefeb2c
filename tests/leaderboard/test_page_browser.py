"""The page at work in a real browser, where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from page_support import HOSTILE, curve, filled, page_of
from synthetic import row

pytestmark = pytest.mark.usefixtures("nothing_published")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")


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
