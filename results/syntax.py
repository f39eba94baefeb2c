"""The digest of a module's code: the same as long as only words change.

Left out: comments, formatting, docstrings, the arguments of raised exceptions, annotations of functions, and the names of local
variables. None of them changes a score, so an error message can be reworded without running a board again.
"""

from __future__ import annotations

import ast
import hashlib

__all__ = ["code_digest"]

_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def code_digest(tree: ast.Module) -> str:
    """sha256 of the syntax tree without words; the tree is changed in place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | _FUNCTION):
            _drop_docstring(node)
        if isinstance(node, _FUNCTION):
            _drop_annotations(node)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            node.exc.args, node.exc.keywords = [], []
    _rename_locals(tree)
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _drop_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body = node.body[1:] or [ast.Pass()]


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[ast.arg]:
    arguments = node.args
    stars = [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *stars]


def _drop_annotations(node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    node.returns = None
    for parameter in _parameters(node):
        parameter.annotation = None


def _rename_locals(node: ast.AST) -> None:
    """Number the local variables of every outermost function in their order of appearance.

    One name gets one number, whatever the scope, so two functions with equal digests differ at most in local names. Names that
    others can see stay: parameters, functions, classes, globals. So does everything in a function that defines a class.
    """
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _FUNCTION):
            _rename_locals(child)
            continue
        inside = list(ast.walk(child))
        if any(isinstance(one, ast.ClassDef) for one in inside):
            continue
        visible = {p.arg for one in inside if isinstance(one, _FUNCTION | ast.Lambda) for p in _parameters(one)}
        visible |= {one.name for one in inside if isinstance(one, _FUNCTION)}
        visible |= {name for one in inside if isinstance(one, ast.Global | ast.Nonlocal) for name in one.names}
        names = [one for one in inside if isinstance(one, ast.Name)]
        local = {one.id for one in names if isinstance(one.ctx, ast.Store)} - visible
        numbers: dict[str, str] = {}
        for one in names:
            if one.id in local:
                one.id = numbers.setdefault(one.id, f"${len(numbers)}")
