"""What is built holds what it must, or the build fails in words."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from dynamark.version import __version__

ROOT = Path(__file__).parents[1]


def test_a_checkout_without_symbolic_links_does_not_build(tmp_path: Path) -> None:
    """There git writes each link as a text file that holds its target."""
    shutil.copy(ROOT / "setup.py", tmp_path)
    home = tmp_path / "src" / "dynamark"
    home.mkdir(parents=True)
    for link in (ROOT / "src" / "dynamark").iterdir():
        if link.is_symlink():
            (home / link.name).write_text(str(link.readlink()))
    build = subprocess.run(
        [sys.executable, "setup.py", "--name"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert build.returncode == 1
    assert build.stderr.startswith("error: src/dynamark/leaderboards is not a folder")
    assert build.stderr.count("\n") == 1
    assert "Traceback" not in build.stderr


def test_every_link_is_checked_by_the_build() -> None:
    links = {link.name for link in (ROOT / "src" / "dynamark").iterdir() if link.is_symlink()}
    text = (ROOT / "setup.py").read_text()
    assert links
    assert all(f'"{name}"' in text for name in links)


def test_the_version_its_citation_and_its_entry_in_the_changelog_agree() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    heading = re.search(r"^## (\S+) \((\S+)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert heading is not None
    assert f"\nversion: {__version__}\n" in citation
    assert heading.group(1) == __version__
    assert f'date-released: "{heading.group(2)}"' in citation
