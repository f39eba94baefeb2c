"""Generators use no operation whose bits depend on the processor: + - * /, square roots, sums and random draws only.

Each generator runs once under a profiler that notes which functions of the tasks it enters. Their source is then read for what
NumPy, SciPy, torch and the mathematics library round differently from one processor to the next.
"""

from __future__ import annotations

import ast
import cProfile
import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType

import pytest

from dynamark import tasks
from dynamark.runners.registry import resolve_task
from dynamark.runners.spec import parse
from dynamark.tasks.base import Task
from dynamark.tasks.catalog import TASKS
from dynamark.tasks.chaos.tasks import Reconstruction

ROOT = Path(tasks.__file__).resolve().parent
# Names after a dot or a bare call: elementary functions, products, factorizations, transforms.
INEXACT = {
    *(
        "exp",
        "expm1",
        "exp2",
        "log",
        "log1p",
        "log2",
        "log10",
        "power",
        "pow",
        "hypot",
        "cbrt",
        "geomspace",
        "logspace",
    ),
    *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2", "sinh", "cosh", "tanh", "sinc"),
    *(
        "matmul",
        "dot",
        "vdot",
        "inner",
        "outer",
        "einsum",
        "tensordot",
        "kron",
        "convolve",
        "interp",
        "polyval",
        "prod",
    ),
    *("linalg", "fft", "expm", "ellipj", "ellipk", "norm", "rng.beta", "rng.gamma", "rng.exponential", "rng.lognormal"),
}
EXACT = {"dynamark.tasks.numerics.exact", "dynamark.tasks.numerics.fourier"}
# What rounds an inexact number so that its last digits are lost.
SETTLED = "settled"


def entered(call: Callable[[], object]) -> set[tuple[Path, int]]:
    """File and first line of every function of the tasks that a call enters."""
    # In C: a profiler in Python would take most of the time of a generator that steps through small arrays.
    profile = cProfile.Profile(subcalls=False, builtins=False)
    profile.runcall(call)
    codes = [entry.code for entry in profile.getstats() if isinstance(entry.code, CodeType)]
    actual = ((Path(code.co_filename).resolve(), code.co_firstlineno) for code in codes)
    return {(file, line) for file, line in actual if ROOT in file.parents}


@functools.cache
def functions(file: Path) -> dict[int, ast.AST]:
    """Functions and lambdas of a file by their first line."""
    nodes = ast.walk(ast.parse(file.read_text()))
    kinds = (ast.FunctionDef, ast.Lambda)
    return {
        min([n.lineno, *(d.lineno for d in getattr(n, "decorator_list", []))]): n for n in nodes if isinstance(n, kinds)
    }


@functools.cache
def imported(file: Path) -> frozenset[str]:
    """Names that a file imports from anywhere but exact arithmetic."""
    return frozenset(
        alias.asname or alias.name
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module not in EXACT
        for alias in node.names
    )


def inexact(node: ast.AST, imports: frozenset[str]) -> Iterator[str]:
    """What in a function's source rounds differently on other processors."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == SETTLED:
        return
    if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
        yield "@"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and not _square(node):
        yield ast.unparse(node)
    if (
        isinstance(node, ast.Attribute)
        and INEXACT & {node.attr, result := ast.unparse(node)}
        and result != f"exact.{node.attr}"
    ):
        yield result
    if isinstance(node, ast.Name) and node.id in INEXACT & imports:
        yield node.id
    for child in ast.iter_child_nodes(node):
        yield from inexact(child, imports)


def _square(node: ast.BinOp) -> bool:
    """Squares of arrays, and powers of whole numbers written out, are products; the exponent of (-1)**i too."""
    by_two = isinstance(node.right, ast.Constant) and node.right.value == 2 and not isinstance(node.left, ast.Constant)
    return by_two or ast.unparse(node.left) == "-1"


def short(task: Task, monkeypatch: pytest.MonkeyPatch) -> Task:
    """The same generator for less data: fewer samples after a shorter transient, by the same functions."""
    if not isinstance(task, Reconstruction):
        return task
    monkeypatch.setattr(type(task), "system", dataclasses.replace(task.system, transient=5))
    return dataclasses.replace(task, train=min(task.train, 1000), test=min(task.test, 1000))


@pytest.mark.parametrize("name", TASKS)
def test_generators_are_exact(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if (why := resolve_task(parse(name), "tiny").unavailable) is not None:
        pytest.skip(f"{name} {why}")
    task = short(resolve_task(parse(name), "tiny", salt="one that no other test has remembered"), monkeypatch)
    by_name = {
        f"{file.relative_to(ROOT)}: {what}"
        for file, line in entered(lambda: task.generate(0))
        if line in functions(file)
        for what in inexact(functions(file)[line], imported(file))
    }
    assert not by_name


@pytest.mark.parametrize("name", ["chaos/lorenz63", "chaos/lorenz96_10"])
def test_less_data_is_made_by_the_same_functions(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = resolve_task(parse(name), "tiny", salt="short and long")
    whole = entered(lambda: task.generate(0))
    less = short(task, monkeypatch)
    assert len(whole) > 5
    assert entered(lambda: less.generate(0)) == whole


def test_every_function_entered_is_seen() -> None:
    """Those called by comprehensions, generators and other functions too, each by the line that `functions` knows it by."""
    task = resolve_task(parse("koopman/slow_manifold"), "tiny", salt="to see what it enters")
    seen, names = entered(lambda: list(task.generate(0).values())), set()
    for file, line in seen:
        names.add(getattr(functions(file).get(line), "name", ""))
    assert {"generate"} < names
    assert entered(lambda: None) == set()


def test_the_reader_finds_what_is_inexact() -> None:
    source = "def f(a, b): return np.exp(a) @ b, a**3, sin(a), np.linalg.eigvals(a), settled(np.linalg.norm(a)), a**2, (-1) ** b"
    result = sorted(inexact(ast.parse(source), frozenset({"settled", "sin"})))
    assert result == ["@", "a ** 3", "np.exp", "np.linalg", "sin"]
    assert not list(inexact(ast.parse("sin(a), exact.sin(a)"), frozenset()))
