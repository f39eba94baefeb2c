"""Keys: everything that may change the scores is in them, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamark.results import keys
from dynamark.results.keys import canonical, run_key, source_digest

ROW = {
    "kind": "run",
    "task": "chaos/lorenz63",
    "task_version": 1,
    "task_fields": '{"noise":0.0}',
    "salt": "",
    "method": "persistence",
    "method_fields": "{}",
    "method_source": "abc",
    "seed": 0,
    "budget": None,
    "device": "cpu",
}


@pytest.mark.parametrize("column", list(ROW))
def test_each_part_of_the_key_counts(column: str) -> None:
    assert run_key({**ROW, column: "other"}) != run_key(ROW)


def test_what_a_row_adds_does_not_count() -> None:
    added = {"status": "ok", "fit_seconds": 3.0, "cohort_size": 5, "task_source": "x", "carried_from": [{"tiny": 1}]}
    assert run_key({**ROW, **added}) == run_key(ROW)


def test_the_key_of_a_known_row_never_changes() -> None:
    """Published rows are found by their keys: a change here makes all of them stale."""
    assert run_key(ROW) == "ecaa1c399665da466240bab7669573f7266879a191099bb87d26af78f5ddd4df"


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), plain, max_size=5))
def test_the_order_of_fields_does_not_count(fields: dict[str, object]) -> None:
    turned = dict(reversed(list(fields.items())))
    assert canonical(fields) == canonical(turned)


@given(plain, plain)
def test_different_fields_have_different_text(a: object, b: object) -> None:
    import json

    if canonical(a) == canonical(b):
        assert json.loads(canonical(a)) == json.loads(canonical(b))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "method.py").write_text(
        '"""Doc."""\nfrom mine.helper import gain\nimport numpy\n\ndef f():\n    return gain\n'
    )
    (folder / "helper.py").write_text("gain = 1\n")
    (folder / "stranger.py").write_text("x = 1\n")
    return folder


def edit(path: Path, text: str) -> None:
    """Write, and make sure that the change is seen: times of files are coarse."""
    path.write_text(text)
    keys._known = None


def test_editing_a_helper_misses_and_a_comment_hits(package: Path) -> None:
    method = package / "method.py"
    before = source_digest(method)
    edit(package / "helper.py", "# a comment\ngain   =   1\n")
    assert source_digest(method) == before
    edit(
        method,
        '"""Another docstring."""\nfrom mine.helper import gain\nimport numpy\n\ndef f():\n    """Doc."""\n    return gain\n',
    )
    assert source_digest(method) == before
    edit(package / "stranger.py", "x = 2\n")
    assert source_digest(method) == before
    edit(package / "helper.py", "gain = 2\n")
    assert source_digest(method) != before


def test_imports_in_functions_relative_imports_and_submodules_count(package: Path) -> None:
    (package / "deep.py").write_text("y = 1\n")
    for style in ("from .deep import y", "from . import deep", "import mine.deep", "from mine import deep"):
        edit(package / "method.py", f"def f():\n    {style}\n")
        edit(package / "deep.py", "y = 1\n")
        before = source_digest(package / "method.py")
        edit(package / "deep.py", "y = 22\n")
        assert source_digest(package / "method.py") != before, style


def test_a_lone_file_counts_its_neighbors(tmp_path: Path) -> None:
    (tmp_path / "lone.py").write_text("import near\n")
    (tmp_path / "near.py").write_text("z = 1\n")
    before = source_digest(tmp_path / "lone.py")
    edit(tmp_path / "near.py", "z = 33\n")
    assert source_digest(tmp_path / "lone.py") != before


def test_imports_in_a_circle_end(package: Path) -> None:
    edit(package / "helper.py", "import mine.method\ngain = 1\n")
    assert len(source_digest(package / "method.py")) == 64


def test_the_memory_on_disk_gives_the_same_digest(package: Path) -> None:
    first = source_digest(package / "method.py")
    keys._known = None  # as in a new process: read from the cache folder
    assert source_digest(package / "method.py") == first


def test_the_vocabulary_does_not_count() -> None:
    import dynamark.methods.trivial as trivial

    source_digest(Path(str(trivial.__file__)))
    seen = keys._recall()[str(Path(str(trivial.__file__)))]
    assert seen[2][-1][:2] == ["0", "dynamark.tasks.problems"]


def test_a_helper_from_another_folder_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module on the path, and what it imports in turn; not the standard library, nor installed packages."""
    here, there = tmp_path / "here", tmp_path / "there"
    (there / "lab").mkdir(parents=True)
    here.mkdir()
    (there / "lab" / "__init__.py").write_text("")
    (there / "lab" / "deep.py").write_text("WEIGHT = 1.0\n")
    (there / "lab" / "helper.py").write_text("from lab.deep import WEIGHT\n")
    (here / "mine.py").write_text("import json\n\nimport numpy\nfrom lab.helper import WEIGHT\n")
    before = source_digest(here / "mine.py")
    monkeypatch.syspath_prepend(str(there))
    digest = source_digest(here / "mine.py")
    assert digest != before
    (there / "lab" / "deep.py").write_text("# a comment\nWEIGHT = 1.0\n")
    assert source_digest(here / "mine.py") == digest
    (there / "lab" / "deep.py").write_text("WEIGHT = 2.0\n")
    assert source_digest(here / "mine.py") != digest


def test_the_source_of_a_task_from_elsewhere_counts() -> None:
    row = {"kind": "run", **ROW}
    ours, theirs = {**row, "task_source": "x"}, {**row, "task_source": f"{keys.FOREIGN}x"}
    assert run_key(ours) == run_key({**row, "task_source": "y"})
    assert run_key(theirs) != run_key(ours)
    assert run_key(theirs) != run_key({**row, "task_source": f"{keys.FOREIGN}y"})


def test_an_edit_that_keeps_size_and_time_is_seen(package: Path) -> None:
    import os

    method = package / "method.py"
    before, stat = source_digest(method), method.stat()
    method.write_text(method.read_text().replace("return gain", "return niag"))
    os.utime(method, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert method.stat().st_size == stat.st_size
    assert source_digest(method) != before


@pytest.mark.parametrize("text", ["[]", "{}", '{"entries": []}', '{"entries": {}, "sha256": 3}', "[" * 100_000, "\x00"])
def test_a_damaged_memory_on_disk_is_no_memory(package: Path, text: str) -> None:
    from dynamark.folders import cache_folder

    wanted = source_digest(package / "method.py")
    (cache_folder() / "sources.json").write_text(text)
    keys._known = None
    assert source_digest(package / "method.py") == wanted
