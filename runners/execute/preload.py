"""What the base process imports before it forks, so that no worker pays for it inside a timed region.

Modules that methods import at their first use take up to a second each. Those that the sources of the waiting methods and tasks
do not use are left out: a base that serves a method of plain algebra starts in half the time.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from dynamark.errors import UserError
from dynamark.results.keys import imported_modules
from dynamark.runners.foreign.target import is_env
from dynamark.runners.loading import source_file

__all__ = ["COMPILER", "LATE", "late_modules", "preload"]

# Imported late. An optimizer's constructor imports torch's compiler; SciPy and numba are imported by transforms and kernels.
COMPILER = frozenset({"torch._dynamo"})
LATE = (
    *COMPILER,
    "scipy.fft",
    "scipy.linalg",
    "scipy.sparse",
    "scipy.sparse.linalg",
    "scipy.spatial",
    "scipy.optimize",
    "scipy.signal",
    "numba",
)
# What every base imports.
_OWN = tuple(f"dynamark.runners.execute.{name}" for name in ("scorer", "worker", "received", "scoring", "supervisor"))

# Words of a source that may lead to a module which it does not import by name; None stands for any module.
_WORDS = (
    ("torch._dynamo", re.compile(r"\boptim\b|\.compile\(|_dynamo\b|\bcheckpoint\b|use_deterministic_algorithms")),
    ("numba", re.compile(r"\bnumba\b")),
    (None, re.compile(r"(import_module|__import__|\bexec|\beval)\((?!\"numba\"\))")),
)
# Packages whose own late imports are known; any other may import anything.
_KNOWN = {*sys.stdlib_module_names, "dynamark", "jaxtyping", "numba", "numpy", "pandas", "scipy", "torch"}


@functools.lru_cache(maxsize=1024)
def late_modules(target: str) -> frozenset[str]:
    """The late modules that a class may import, as far as its source and the sources behind it tell; in doubt all.

    target: `module:Class` or `file.py:Class`, of a method, an experiment or a task.
    """
    if is_env(target):  # it is imported under another interpreter
        return frozenset()
    try:
        modules, files = imported_modules(source_file(target))
        words = frozenset().union(*(_words(path, path.stat().st_mtime_ns) for path in files))
    except (UserError, ImportError, OSError, SyntaxError, ValueError):
        return frozenset(LATE)
    if None in words or {module.partition(".")[0] for module in modules} - _KNOWN:
        return frozenset(LATE)
    return frozenset(name for name in LATE if name in words or any(_contains(module, name) for module in modules))


def _contains(module: str, name: str) -> bool:
    """Whether an import of a module may bring in the module `name`: itself, a part of it, or a package around it."""
    return f"{module}.".startswith(f"{name}.") or (module != "torch" and f"{name}.".startswith(f"{module}."))


@functools.lru_cache(maxsize=4096)
def _words(path: Path, _changed: int) -> frozenset[str | None]:
    text = path.read_text(errors="replace")
    return frozenset(name for name, words in _WORDS if words.search(text))


def preload(modules: Iterable[str]) -> None:
    """Import what every base needs and these late modules; those that are not installed are left out."""
    for name in (*modules, *_OWN):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
