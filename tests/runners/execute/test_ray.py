"""The engine `ray`, on a real cluster of two nodes of which one is removed while it works."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest
from support import LINE, PLUGINS, write_suite

from dynamark.errors import UserError
from dynamark.results.store import Store
from dynamark.runners.execute.engines import find_engine
from dynamark.runners.execute.executor import Settings
from dynamark.runners.run import run


@pytest.mark.skipif("ray" in sys.modules, reason="Ray is there")
def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"install it with: pip install 'dynamark\[ray\]'"):
        find_engine("ray").start(Settings())


def test_a_node_that_is_removed_costs_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="the extra dynamark[ray] is not installed")
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    suite = write_suite(tmp_path / "s.toml", [LINE, f"{PLUGINS}/faulty.py:Faulty"], seeds=6)
    run(suite, store=tmp_path / "here", engine="inline")
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)

    removed = threading.Event()

    def remove() -> None:
        while not list((tmp_path / "there" / ".journal").glob("*")):
            time.sleep(0.2)
        time.sleep(2.0)  # both nodes have a cohort by now
        cluster.remove_node(second, allow_graceful=False)
        removed.set()

    remover = threading.Thread(target=remove, daemon=True)
    remover.start()
    try:
        report = run(suite, store=tmp_path / "there", engine="ray", address=cluster.address, memory_gb=2.0)
        assert removed.is_set()  # while it ran
    finally:
        remover.join(60)
        ray.shutdown()
        cluster.shutdown()
    assert report.statuses == {"ok": 6, "error": 6}
    here, there = (
        {row["key"]: (row["status"], row["scores"]) for row in Store(tmp_path / name).rows().to_pylist()}
        for name in ("here", "there")
    )
    assert here == there
