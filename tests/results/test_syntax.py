"""Digests of code see every change of what is computed and no change of words."""

from __future__ import annotations

import ast

import pytest

from dynamark.results.syntax import code_digest

CODE = '''
"""A module."""
LIMIT = 3

def f(x: int, scale: float = 2.0) -> float:
    """Doc."""
    if x > LIMIT:
        raise ValueError(f"{x} is too large")
    total = 0
    for i in range(x):
        total += scale * i
    rest = [total - j for j in range(x)]
    return g(total, rest=rest)

def g(value, rest):
    def inner(part):
        return part + value
    return inner(sum(rest))

class Method:
    """Doc."""
    gain: float = 1.0

    def fit(self, data):
        best = max(data)
        return best * self.gain
'''


def digest(old: str = "", new: str = "") -> str:
    assert old in CODE
    return code_digest(ast.parse(CODE.replace(old, new) if old else CODE))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Doc."""', '"""Other words."""'),
        ('f"{x} is too large"', '"x must be at most 3", x'),
        ("total", "accumulated"),
        ("for i in range(x):\n        total += scale * i", "for k in range(x):\n        total += scale * k"),
        ("x: int, scale: float = 2.0) -> float", "x, scale=2.0)"),
        ("best", "largest"),
        ("total = 0", "total = 0  # the sum"),
    ],
)
def test_words_do_not_count(old: str, new: str) -> None:
    assert digest(old, new) == digest()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("LIMIT", "BOUND"),
        ("raise ValueError", "raise KeyError"),
        ("scale * i", "scale + i"),
        ("total += scale * i", "total += scale * total"),
        ("return best * self.gain", "return self.gain * best"),
        ("scale: float = 2.0", "scale: float = 3.0"),
        ("rest=rest", "value=rest"),
        ("gain: float = 1.0", "gain: int = 1.0"),
        ("max(data)", "min(data)"),
        ("def inner(part)", "def other(part)"),
        ("total - j", "total - total"),
        ("self, data", "self, rows"),
        ("return g(total, rest=rest)", "return g(rest, rest=total)"),
        ("total = 0", "total = rest = 0"),
    ],
)
def test_code_counts(old: str, new: str) -> None:
    assert digest(old, new) != digest()


def test_names_of_a_class_inside_a_function_count() -> None:
    """They are attributes, which others can see."""
    code = "def f():\n    class A:\n        {} = 1\n    return A\n"
    assert code_digest(ast.parse(code.format("x"))) != code_digest(ast.parse(code.format("y")))
