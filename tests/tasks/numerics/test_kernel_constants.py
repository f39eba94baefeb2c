"""The digest of a kernel covers the files of the kernels that it calls: every constant that it reads stands in its own file."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from dynamark import methods, tasks
from dynamark.tasks.numerics.compiling import Kernel, _globals_of

# Modules that are imported, and builtins, are not constants.
_CONSTANTS = (bool, int, float, complex, str, tuple)


def kernels() -> Iterator[tuple[str, Kernel]]:
    """All kernels of tasks and methods by name."""
    for package in (tasks, methods):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, Kernel):
                    yield f"{module.name}.{name}", value


def assigned(file: str) -> set[str]:
    """The names that a file assigns at its top level."""
    statements = ast.parse(Path(file).read_text()).body
    targets = [target for node in statements if isinstance(node, ast.Assign) for target in node.targets]
    targets += [node.target for node in statements if isinstance(node, ast.AnnAssign)]
    return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}


def test_constants_of_kernels_stand_in_their_own_file() -> None:
    count, foreign = 0, []
    for name, kernel in kernels():
        code = kernel.function
        own = assigned(inspect.getfile(code))
        constants = {used for used in _globals_of(code) if isinstance(code.__globals__.get(used), _CONSTANTS)}
        count += len(constants)
        foreign += [f"{name}: {used}" for used in sorted(constants - own)]
    assert count > 10
    assert foreign == []
