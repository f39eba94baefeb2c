"""Writes a class that is defined in a notebook cell or a script to a module that another process can import.

The source of the class is read with `inspect`. The functions, classes, constants and imports that the class uses, directly or
through others, are copied from the same notebook or script. The module is a file in the cache, named by its content.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import inspect
import linecache
import symtable
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from dynamark.errors import UserError
from dynamark.folders import cache_folder

__all__ = ["module_of_cell", "source_of_cell"]


def module_of_cell(cls: type) -> Path:
    """Write a class and everything it uses to a module in the cache, and return the path of the module."""
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
    # Annotations are not evaluated: the names in them need not exist in the module.
    return "\n\n".join(["from __future__ import annotations", *parts.imports, *parts.definitions]) + "\n"


class _Parts:
    """Collects the imports and definitions that a class needs from the module where it was defined."""

    def __init__(self, names: dict[str, Any], home: str) -> None:
        self._names, self._home = names, home
        self._seen: set[str] = set()
        self.imports: list[str] = []
        self.definitions: list[str] = []

    def add(self, name: str, value: Any) -> None:
        """Add a name with its value, after everything that the value needs."""
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
                f"the class uses '{name}' of {self._home}, which cannot be copied to a worker process; "
                "put the class into a file and give path/file.py:Class"
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
    raise UserError(f"the source of '{name}' is not available; put it into a file and give path/file.py:{name}")


def _class_of_cell(cls: type) -> str | None:
    """The source of a class in a notebook: `inspect` has no file for it, but the code of its functions names the cell."""
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
    """The global names that a definition uses, each once, in order of appearance; local variables are not among them."""
    used = set(_globals_in(symtable.symtable(text, "cell", "exec")))
    names = (node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name))
    return list(dict.fromkeys(name for name in names if name in used))


def _globals_in(scope: symtable.SymbolTable) -> Iterator[str]:
    """The names that a scope, or one inside it, looks up outside of all functions."""
    for symbol in scope.get_symbols():
        # A class may read a global name before it defines its own: `gain: float = gain`.
        if symbol.is_referenced() and (symbol.is_global() or not isinstance(scope, symtable.Function)):
            yield symbol.get_name()
    for inner in scope.get_children():
        yield from _globals_in(inner)


def _is_plain(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, TypeError):
        return False
