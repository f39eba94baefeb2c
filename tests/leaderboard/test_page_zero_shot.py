"""The place of pretrained forecasters on the page."""

from __future__ import annotations

import json
from typing import Any

from page_support import HOSTILE, outline
from synthetic import arrow, row

from dynamark.leaderboards.page.zero_shot import zero_shot_section
from dynamark.leaderboards.rows import prepare

TASK = "chaos/zero_shot(flow='rossler')"


def section(rows: list[dict[str, Any]]) -> str:
    text = zero_shot_section(prepare(arrow(rows)))
    outline(text)
    return text


def test_without_a_pretrained_row_the_page_says_that_nobody_ran_one() -> None:
    text = section([row("ngrc", TASK, 0, 2.0), row("gd", "sensing/psd", 0)])
    assert "Nobody has run a pretrained forecaster on this track yet" in text
    assert "docs/zero-shot.md" in text


def test_a_pretrained_row_stands_beside_what_was_trained_with_what_it_states() -> None:
    fields = {"name": HOSTILE, "revision": "r1", "license": "MIT", "leak": "system family", "weights": "w"}
    rows = [
        row("zs", TASK, seed, value, lower_is_better=False, method_fields=json.dumps(fields))
        for seed, value in enumerate((1.0, 3.0, 2.0))
    ]
    text = section([*rows, row("ngrc", TASK, 0, 2.5, lower_is_better=False), row("zs", "chaos/rossler", 0, 9.0)])
    assert "Nobody" not in text
    assert "<img" not in text
    first, second = text.split("<tr>")[2:4]
    assert ">ngrc</a></th><td>2.5</td>" in first
    assert "trained on the context" in first
    assert ">zs</a></th><td>2</td>" in second
    assert "<td>r1</td><td>MIT</td><td>system family</td>" in second
