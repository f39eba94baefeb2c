"""A plug-in travels to another machine by its source and digest, never by a path: that machine may have another file there.

What travels is a file `path/mine.py` with the modules beside it that it imports. A module that is installed, or part of a
package, is expected on the other machine; there, its digest is compared.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dynamark.folders import cache_folder
from dynamark.results.keys import canonical, in_package, source_digest, source_files
from dynamark.runners.foreign.target import EnvTarget, is_env
from dynamark.runners.loading import source_file

__all__ = ["packed", "present_digest", "unpacked"]


def packed(target: str) -> dict[str, Any]:
    """A target, `module:Class` or `path/mine.py:Class`, with the texts of the files that another machine needs for it."""
    if is_env(target):
        env = EnvTarget.read(target)
        return {**packed(f"{env.file}:{env.cls}"), "python": str(env.python)}
    where, _, name = target.rpartition(":")
    if not where.endswith(".py") or in_package(Path(where)):
        return {"target": target}
    path = Path(where).absolute()
    with _beside(path.parent):
        files = {name: file.read_text() for name, file in source_files(path).items()}
    return {"file": path.name, "class": name, "files": files}


def unpacked(parcel: dict[str, Any]) -> str:
    """The target on this machine: its files are written to the cache, into a folder that their content names."""
    if "python" in parcel:
        return f"env:{parcel['python']}!{unpacked({n: v for n, v in parcel.items() if n != 'python'})}"
    if "target" in parcel:
        return str(parcel["target"])
    files: dict[str, str] = parcel["files"]
    digest = hashlib.sha256(canonical(files).encode()).hexdigest()[:32]
    folder = cache_folder() / "plugins" / digest
    for name, text in files.items():
        path = folder / name
        if folder not in path.resolve().parents and folder.resolve() not in path.resolve().parents:
            raise ValueError(f"the file '{name}' of a plug-in lies outside its folder")
        if not (path.is_file() and path.read_text() == text):
            _write(path, text)
    return f"{folder / parcel['file']}:{parcel['class']}"


def _write(path: Path, text: str) -> None:
    """Write a file as a whole: another process of this machine may write or read it at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(beside).replace(path)


def present_digest(target: str) -> str:
    """The source digest of a target on this machine."""
    if is_env(target):
        env = EnvTarget.read(target)
        env.check()
        with _beside(env.file.parent):
            return env.digest()
    path = source_file(target)
    with _beside(path.parent):
        return source_digest(path)


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Find modules in a folder too, as a plug-in does that lies there."""
    before = list(sys.path)
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path[:] = before
