"""Writers and compactors of one store, every step of theirs in any order: no row is lost. No lock of the system is needed."""

from __future__ import annotations

import fcntl
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stored import PLACE, row

from dynamark.results import disk, journal, lease, process
from dynamark.results.journal import Journal
from dynamark.results.store import Store

STEPS = ("create", "write", "sync", "rename", "publish", "read", "unlink", "listing")


class Stage:
    """Lets one of several threads run until its next step on the disk, then another, in a random order."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._turn = threading.Condition()
        self._waiting: set[int] = set()
        self._active: set[int] = set()
        self._chosen: int | None = None
        self.steps = 0

    def step(self) -> None:
        """Called before each step on the disk: wait for one's turn."""
        me = threading.get_ident()
        with self._turn:
            if me not in self._active:
                return
            self.steps += 1
            self._waiting.add(me)
            self._choose()
            assert self._turn.wait_for(lambda: self._chosen == me, timeout=60)
            self._chosen = None
            self._waiting.remove(me)

    def _choose(self) -> None:
        if self._chosen is None and self._waiting == self._active and self._waiting:
            self._chosen = self._random.choice(sorted(self._waiting))
            self._turn.notify_all()

    def play(self, *parts: Callable[[], None]) -> None:
        """Run all parts to their end."""
        errors: list[BaseException] = []

        def run(part: Callable[[], None]) -> None:
            gate.wait()
            try:
                part()
            except BaseException as error:
                errors.append(error)
            finally:
                with self._turn:
                    self._active.discard(threading.get_ident())
                    self._choose()

        gate = threading.Event()
        threads = [threading.Thread(target=run, args=(part,)) for part in parts]
        for thread in threads:
            thread.start()
        self._active = {thread.ident for thread in threads if thread.ident is not None}
        gate.set()
        for thread in threads:
            thread.join(120)
        assert not errors, errors


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Stage:
    play = Stage(request.param)

    def stepping(original: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*words: Any, **more: Any) -> Any:
            play.step()
            return original(*words, **more)

        return stepped

    for name in STEPS:
        monkeypatch.setattr(disk, name, stepping(getattr(disk, name)))
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    monkeypatch.setattr(lease, "_WAIT", 0.0)
    # Each thread is a process of its own.
    name = process.this_process()
    place, pid, start = name.rsplit("-", 2)

    def own() -> str:
        return f"{place}-{pid}-{start}{threading.get_ident()}"

    for module in (journal, lease):
        monkeypatch.setattr(module, "this_process", own)
        monkeypatch.setattr(module, "is_gone", lambda result: False)
    return play


@pytest.mark.parametrize("stage", range(60), indirect=True)
def test_no_interleaving_of_writers_and_compactors_loses_a_row(stage: Stage, tmp_path: Path) -> None:
    store = Store(tmp_path)

    def write(name: str) -> Callable[[], None]:
        def writing() -> None:
            for part in range(2):
                with Journal(store.journals, PLACE) as log:
                    log.write([row(f"{name}{part}a")])
                    log.write([row(f"{name}{part}b")])

        return writing

    def compact() -> None:
        for _ in range(8):
            Store(tmp_path).compact()

    stage.play(write("x"), write("y"), compact, compact)
    wanted = {f"{name}{part}{letter}" for name in "xy" for part in range(2) for letter in "ab"}
    assert stage.steps > 40
    assert set(store.status()) == wanted
    store.compact()
    assert set(store.status()) == wanted
    assert not list(store.journals.glob("*.jsonl"))


@pytest.mark.parametrize("stage", range(10), indirect=True)
def test_a_reader_sees_every_row_that_was_closed_before(stage: Stage, tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name in "abc":
        with Journal(store.journals, PLACE) as log:
            log.write([row(name)])
    seen: list[set[str]] = []
    stage.play(store.compact, lambda: seen.append(set(Store(tmp_path).status())), store.compact)
    assert seen == [set("abc")]


def test_a_journal_of_a_process_of_another_machine_is_read_and_left(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with Journal(store.journals, PLACE) as log:
        log.write([row("a")])
    (closed,) = store.journals.glob("*.jsonl")
    foreign = closed.with_name(closed.name.replace("~", "x~").removesuffix(".jsonl") + ".open")
    closed.rename(foreign)
    store.compact()
    assert foreign.exists()
    assert store.status() == {"a": "ok"}


def test_a_lease_is_taken_over_only_from_a_process_that_is_gone(tmp_path: Path) -> None:
    with lease.lease(tmp_path, 0.0) as first:
        assert first
        with lease.lease(tmp_path, 0.0) as second:
            assert not second
    place, pid, start = process.this_process().rsplit("-", 2)
    (tmp_path / "000000000009.lease").write_text(f"{place}-{pid}-{int(start) - 1}")
    with lease.lease(tmp_path, 0.0) as acquired:
        assert acquired
    (tmp_path / "000000000011.lease").write_text(f"other{place}-{pid}-1")
    with lease.lease(tmp_path, 0.0) as acquired:
        assert not acquired
