"""What the tests detect: small faults, put into the code one at a time, and the share that some test fails on.

    python -m pytest --cov --cov-context=test --cov-report= tests/results tests/leaderboard tests/runners/plan
    coverage combine
    python tests/mutants.py --sample 150 results/*.py leaderboard/statistics.py leaderboard/gate/*.py runners/plan/*.py

A mutant is a changed comparison, operator, constant, condition or return value, or a call that is left out. The tests that reach
its line run, those that reach the fewest lines first, until one fails. Use a checkout of its own: files are changed and restored.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A piece of a file, from byte to byte, and what stands there instead."""

    path: Path
    line: int
    start: int
    end: int
    text: str
    before: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.before} -> {self.text}"


def mutants(path: Path) -> Iterator[Mutant]:
    """All mutants of a file."""
    source = path.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in _reached(ast.parse(source)):
        for changed in _changes(node):
            start = starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
            end = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
            yield Mutant(path, node.lineno, start, end, changed, source[start:end].decode())  # type: ignore[attr-defined]


def _reached(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run: no annotations, decorators, docstrings, names for other modules or imports for type checkers."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _reached(child)


def _changes(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
        yield _with(node, lambda new: new.ops.__setitem__(0, _COMPARISONS[type(node.ops[0])]()))
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        yield f"({_with(node, lambda new: setattr(new, 'op', _OPERATORS[type(node.op)]()))})"
    elif isinstance(node, ast.BoolOp):
        yield f"({_with(node, lambda new: setattr(new, 'op', ast.Or() if isinstance(node.op, ast.And) else ast.And()))})"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield f"bool({ast.unparse(node.operand)})"
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield str(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield repr(node.value + 1)
    elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        yield "return None"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and not ast.unparse(node).startswith("_log."):
        yield "pass"


def _with(node: ast.AST, change: Callable[[ast.AST], object]) -> str:
    new = copy.deepcopy(node)
    change(new)
    return ast.unparse(new)


def tests_by_line(paths: list[Path]) -> dict[tuple[Path, int], list[str]]:
    """The tests that reach each line, the most specific first, from the contexts of a combined coverage file."""
    from coverage import CoverageData

    data = CoverageData(os.environ.get("COVERAGE_FILE", str(ROOT / ".coverage")))
    data.read()
    reached: dict[tuple[Path, int], set[str]] = {}
    size: Counter[str] = Counter()
    for measured in data.measured_files():
        path = Path(measured).resolve()
        for line, contexts in data.contexts_by_lineno(measured).items():
            names = {name.partition("|")[0] for name in contexts if name}
            size.update(names)
            if path in paths and names:
                reached[path, line] = names
    return {place: sorted(names, key=lambda name: (size[name], name)) for place, names in reached.items()}


def killed(mutant: Mutant, tests: list[str], seconds: int) -> bool:
    """Whether a test fails, or does not end, with the mutant in place. Torch and pytest are imported before the fork."""
    source = mutant.path.read_bytes()
    mutant.path.write_bytes(source[: mutant.start] + mutant.text.encode() + source[mutant.end :])
    try:
        child = os.fork()
        if child == 0:
            os.setsid()
            signal.alarm(seconds)
            sys.dont_write_bytecode = True
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            import pytest

            os._exit(int(pytest.main(["-x", "-p", "no:cacheprovider", "-p", "no:xdist", *tests])))
        return os.waitpid(child, 0)[1] != 0
    finally:
        mutant.path.write_bytes(source)


def main() -> None:
    """Draw mutants, run their tests, print those that no test detects, and the share detected."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--sample", type=int, default=100, help="number of mutants (default: 100)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tests", type=int, default=30, help="most tests of one mutant (default: 30)")
    parser.add_argument("--seconds", type=int, default=120, help="a mutant whose tests take longer counts as detected")
    args = parser.parse_args()
    paths = [path.resolve() for path in args.files]
    reached = tests_by_line(paths)
    every = [mutant for path in paths for mutant in mutants(path)]
    # A line that runs at import alone, or in another process, has no test in this record.
    known = [mutant for mutant in every if (mutant.path, mutant.line) in reached]
    drawn = random.Random(args.seed).sample(known, min(args.sample, len(known)))
    print(f"{len(every)} mutants, {len(known)} on lines that these tests reach; {len(drawn)} drawn", flush=True)
    import pandas  # noqa: F401
    import torch  # noqa: F401

    count = 0
    for number, mutant in enumerate(drawn, 1):
        detected = killed(mutant, reached[mutant.path, mutant.line][: args.tests], args.seconds)
        count += detected
        print(f"{number} {'detected' if detected else 'SURVIVED'} {mutant}", flush=True)
    print(f"{count} of {len(drawn)} detected")


if __name__ == "__main__":
    main()
