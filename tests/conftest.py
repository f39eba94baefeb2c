"""Settings of all tests: a cache of their own, and stores that cannot be one's own."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[1]
WEEK = 7 * 24 * 3600.0
LONGEST = {
    f"test_{name}.py" for name in ("tutorial", "kills", "interruption", "faults", "attractors", "notebooks", "foreign")
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first: one of them alone at the end would leave the other worker without work."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_collection() -> None:
    """Imports and thousands of tests leave no garbage."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What exists before the first test stays to the end: the garbage collector need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(10_000)


@pytest.fixture(autouse=True, scope="session")
def _own_folders(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> None:
    """No test reads or writes the user's cache or store. Parallel workers share the cache: data and kernels are made once."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    os.environ["DYNAMARK_CACHE"] = str(shared / "cache")
    os.environ["DYNAMARK_STORE"] = str(base / "store")
    if hasattr(pytestconfig, "cache"):  # unless pytest runs without its cache
        (shared / "cache").mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (shared / "cache" / "compiled").symlink_to(_compiled(pytestconfig.cache), target_is_directory=True)


def _compiled(cache: pytest.Cache) -> Path:
    """Compiled kernels of an earlier run of the tests with the same sources; compiling them takes minutes of CPU time."""
    sources = hashlib.sha256()
    for path in sorted(path for part in ("tasks", "methods") for path in (ROOT / part).rglob("*.py")):
        sources.update(path.read_bytes())
    folder = cache.mkdir("compiled") / sources.hexdigest()[:16]
    folder.mkdir(exist_ok=True)
    os.utime(folder)
    for other in folder.parent.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another worker removes it, too
            if other.stat().st_mtime < time.time() - WEEK:
                shutil.rmtree(other, ignore_errors=True)
    return folder


@pytest.fixture(autouse=True)
def _seeded(request: pytest.FixtureRequest) -> None:
    """What a test draws, from torch's own generator or from its module's, does not depend on the tests before it."""
    torch.manual_seed(0)
    if isinstance(shared := getattr(request.module, "RNG", None), np.random.Generator):
        shared.bit_generator.state = np.random.default_rng(0).bit_generator.state


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def nothing_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables and pages of a test's own rows alone."""
    from dynamark.leaderboards import rows

    monkeypatch.setattr(rows, "published_store", lambda: tmp_path / "published")


@pytest.fixture
def checks_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """`dynamark check` without processes, for what it finds rather than where: each of its two base processes takes 2.5 s."""
    from dynamark.runners import check
    from dynamark.runners.execute.executor import Inline

    class Here(Inline):
        def __init__(self, workers: int, limits: object, device: str) -> None:
            super().__init__(device)

    monkeypatch.setattr(check, "Local", Here)
