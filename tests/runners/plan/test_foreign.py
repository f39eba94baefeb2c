"""Editing a task of one's own makes its runs anew."""

from __future__ import annotations

from pathlib import Path

from support import LINE, WALK, entry

from dynamark.runners.plan.expand import expand
from dynamark.runners.plan.suite import Suite


def key(task: str) -> str:
    return expand(Suite("test", "", (entry((task,), (LINE,), "tiny", 1),))).runs[0].key


def test_an_edited_score_of_a_task_of_ones_own_is_another_run(tmp_path: Path) -> None:
    source = Path(WALK.partition(":")[0]).read_text()
    keys = []
    for name, text in (("a", source), ("b", source.replace("np.abs(solution", "2 * np.abs(solution"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "walk.py").write_text(text)
        keys.append(key(f"walk={tmp_path / name / 'walk.py'}:Walk"))
    assert text != source
    assert keys[0] != keys[1]
