"""Cards of tasks and methods: nothing shipped is left out, and what they say is what the classes say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dynamark.cli import main
from dynamark.leaderboards.page.sources import bibtex
from dynamark.methods.catalog import METHODS
from dynamark.runners.cards import method_cards, task_cards
from dynamark.tasks.catalog import TASKS


@pytest.fixture(scope="module")
def tasks() -> str:
    return task_cards()


@pytest.fixture(scope="module")
def methods() -> str:
    return method_cards(bibtex)


def headed(text: str, level: str) -> list[str]:
    return [
        name
        for line in text.splitlines()
        if line.startswith(f"{level} ")
        for name in line[len(level) + 1 :].split(", ")
    ]


def test_every_task_and_method_has_a_card(tasks: str, methods: str) -> None:
    assert sorted(headed(tasks, "###")) == sorted(TASKS)
    assert sorted(headed(methods, "##")) == sorted(METHODS)
    assert headed(tasks, "##") == ["sensing", "lds", "koopman", "chaos", "recorded"]


def test_cards_say_what_classes_say(tasks: str, methods: str) -> None:
    lorenz = tasks[tasks.index("### chaos/lorenz63\n") :].split("\n### ")[0]
    assert "    x' = 10 (y - x)" in lorenz
    assert "  - `d_stsp` (nat) ↓: KL divergence of state-space occupancy" in lorenz
    assert re.search(r"^- tiny: .*`train = 5000`", lorenz, re.MULTILINE)
    assert re.search(r"^- standard: .*`train = 100000`", lorenz, re.MULTILINE)
    assert "- `lds/rot`: `spectrum='rot'`" in tasks
    descent = methods[methods.index("## gd, gd_small") :].split("\n## ")[0]
    assert "- solves: Recovery (`fit_estimate`); fits several seeds together" in descent
    assert "`start_scale = 0.5`" in descent
    assert "*How Over-Parameterization Slows Down Gradient Descent in Matrix Sensing" in descent
    assert "(`xiong2024`)" in descent
    assert "- `gd_small`: `start_scale=1e-6`" in descent


def test_every_method_that_names_a_paper_cites_it(methods: str) -> None:
    assert not re.findall(r"^- paper: `", methods, re.MULTILINE)
    assert len(re.findall(r"^- paper: .+, \*.+\*, \d{4} \(`\w+`\)$", methods, re.MULTILINE)) > 30


@pytest.mark.parametrize("what", ["tasks", "methods", "suites"])
def test_the_verb_writes_cards(what: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", what, "--format", "md", "--out", "cards.md"]) == 0
    assert (here / "cards.md").read_text().startswith(f"# {what.capitalize()}\n")
    assert capsys.readouterr().out == ""
