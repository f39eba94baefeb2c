"""A class that was defined in a notebook's cell or in a script, as a module of its own that another process can import.

Its source is read with `inspect`; to it come the functions, classes, constants and imports of the same place that it uses,
and those that they use in turn. The module is a file of the cache, named by its content.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import inspect
import linecache
import sys
import textwrap
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from dynamark.errors import UserError
from dynamark.folders import cache_folder

__all__ = ["module_of_cell", "source_of_cell"]


def module_of_cell(cls: type) -> Path:
    """Write the module of a class into the cache; its path."""
    source = source_of_cell(cls)
    folder = cache_folder() / "cells" / hashlib.sha256(source.encode()).hexdigest()[:16]
    path = folder / "cell.py"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / f"{id(source)}.tmp"
        beside.write_text(source)
        beside.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; set DYNAMARK_CACHE to a writable folder") from None
    return path


def source_of_cell(cls: type) -> str:
    """The source of the module: imports, then constants, functions and classes in the order in which they are needed."""
    parts = _Parts(vars(sys.modules[cls.__module__]), cls.__module__)
    parts.add(cls.__name__, cls)
    # Annotations as text: what they name need not exist in the module.
    return "\n\n".join(["from __future__ import annotations", *parts.imports, *parts.definitions]) + "\n"


class _Parts:
    """What a class needs of the place where it was defined."""

    def __init__(self, names: dict[str, Any], home: str) -> None:
        self._names, self._home = names, home
        self._seen: set[str] = set()
        self.imports: list[str] = []
        self.definitions: list[str] = []

    def add(self, name: str, value: Any) -> None:
        """Add a name with its value, after what it needs itself."""
        if name in self._seen:
            return
        self._seen.add(name)
        if isinstance(value, ModuleType):
            self.imports.append(f"import {value.__name__} as {name}")
        elif isinstance(value, type | FunctionType) and value.__module__ == self._home:
            text = _source(value, name)
            for used in _names_in(text):
                if used in self._names and not hasattr(builtins, used):
                    self.add(used, self._names[used])
            self.definitions.append(text)
        elif (module := getattr(value, "__module__", None)) and hasattr(sys.modules.get(module), _own_name(value)):
            self.imports.append(f"from {module} import {_own_name(value)} as {name}")
        elif _is_plain(value):
            self.definitions.append(f"{name} = {value!r}")
        else:
            raise UserError(
                f"'{name}' of {self._home}, which the method uses, cannot be sent to a worker; "
                "put the method into a file and name it path/file.py:Class"
            )


def _own_name(value: Any) -> str:
    return str(getattr(value, "__name__", None) or getattr(value, "_name", None) or "")


def _source(value: Any, name: str) -> str:
    try:
        return textwrap.dedent(inspect.getsource(value)).rstrip()
    except (OSError, TypeError):
        pass
    if isinstance(value, type) and (text := _class_of_cell(value)):
        return text
    raise UserError(f"the source of '{name}' cannot be read here; put it into a file and name it path/file.py:{name}")


def _class_of_cell(cls: type) -> str | None:
    """The source of a class of a notebook: `inspect` knows no file of it, but the code of its functions knows its cell."""
    for function in vars(cls).values():
        if not (isinstance(function, FunctionType) and function.__qualname__ == f"{cls.__name__}.{function.__name__}"):
            continue
        lines = linecache.getlines(function.__code__.co_filename)
        for node in ast.parse("".join(lines)).body:
            if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                return "".join(lines[first - 1 : node.end_lineno]).rstrip()
    return None


def _names_in(text: str) -> list[str]:
    """The names that a definition reads, each once, in their order."""
    return list(dict.fromkeys(node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)))


def _is_plain(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, TypeError):
        return False
