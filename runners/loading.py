"""Imports classes from modules and files, and finds their sources."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from dynamark.errors import UserError, missing_package
from dynamark.results.keys import source_digest
from dynamark.runners.foreign.target import is_env

__all__ = ["MissingFile", "class_source", "load", "missing", "plugin_file", "source_file", "target_of"]

_PLUGIN = "dynamark_plugin_"


class MissingFile(UserError):
    """Raised when the file of a task, method or claim does not exist."""


def load(target: str, kind: str) -> Any:
    """Import the object named by `module:name` or `path/file.py:name`, usually a class."""
    if is_env(target):
        from dynamark.runners.foreign.proxy import method_class

        return method_class(target)
    where, _, name = target.rpartition(":")
    try:
        module = _from_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        if (absent := missing_package(error)) is not None:
            raise absent from None
        raise UserError(f"cannot import {kind} '{target}': {type(error).__name__}: {error}") from None
    if not hasattr(module, name):
        classes = [n for n, v in vars(module).items() if isinstance(v, type) and v.__module__ == module.__name__]
        raise UserError(f"{where} has no class '{name}'; its classes: {', '.join(classes) or 'none'}")
    return getattr(module, name)


def source_file(target: str) -> Path:
    """The source file of a target, `module:name` or `path/file.py:name`."""
    where = target.rpartition(":")[0]
    if where.endswith(".py"):
        return Path(where).absolute()
    spec = importlib.util.find_spec(where)
    if spec is None or spec.origin is None:
        raise UserError(f"{where} has no source file; put the class into a Python file")
    return Path(spec.origin)


def plugin_file(module: str) -> Path | None:
    """The file of a module that was loaded from a path; None for any other module."""
    return Path(str(sys.modules[module].__file__)) if module.startswith(_PLUGIN) else None


def target_of(cls: type) -> str:
    """The target of a class, from which `load` can import it in any process."""
    return f"{plugin_file(cls.__module__) or cls.__module__}:{cls.__name__}"


@functools.lru_cache(maxsize=1024)
def class_source(cls: type) -> str:
    """The digest of the source of a loaded class."""
    return source_digest(source_file(target_of(cls)))


def missing(path: Path) -> MissingFile:
    """The error for a file that does not exist."""
    return MissingFile(f"{path} does not exist; write path/to/file.py:Class")


def _from_file(path: Path) -> ModuleType:
    path = path.absolute()
    if not path.is_file():
        raise missing(path)
    # A name that is the same in every process, and that no other file has.
    name = f"{_PLUGIN}{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # its helpers; appended, so that they hide no installed package
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
