"""Vector fields written as text, evaluated in place on batches of states by correctly rounded operations only."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy import ndarray

__all__ = ["OPERATIONS", "Formulas", "Register", "parse"]

# (operation, left register, right register, value): "coordinate" has the index of the coordinate on the left, "constant" a value.
Register = tuple[str, int, int, float]

# The operations by name, in the order of their codes in compiled code (`formula_maps`).
OPERATIONS: tuple[str, ...] = (
    "coordinate",
    "constant",
    "add",
    "subtract",
    "multiply",
    "divide",
    "negative",
    "absolute",
)
_ON_NUMBERS: Mapping[str, Callable[..., float]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "negative": operator.neg,
    "absolute": abs,
}
_BINARY: Mapping[type, str] = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide"}
_FUNCTIONS: Mapping[str, str] = {"abs": "absolute"}


@dataclass(frozen=True)
class Formulas:
    """x' = f(x) as a list of registers, each computed from earlier ones; equal expressions share a register.

    names: the coordinates, in the order in which their equations are written.
    slopes: the register of the derivative of each coordinate.
    """

    names: tuple[str, ...]
    registers: tuple[Register, ...]
    slopes: tuple[int, ...]

    def __call__(self, state: ndarray, out: ndarray) -> Callable[[], None]:
        """A `BoundField`: returns a function that writes f(state) to `out`, both [dim, batch], without allocating arrays."""
        written = {register: i for i, register in reversed(list(enumerate(self.slopes)))}
        rows: list[Any] = []
        calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        for place, (operation, left, right, value) in enumerate(self.registers):
            if operation == "coordinate":
                rows.append(state[left])
            elif operation == "constant":
                rows.append(np.array(value))
            else:
                rows.append(out[written[place]] if place in written else np.empty_like(state[0]))
                arguments = (rows[left],) if operation in _UNARY else (rows[left], rows[right])
                calls.append((_IN_PLACE[operation], (*arguments, rows[place])))
        for i, register in enumerate(self.slopes):
            if written[register] != i or self.registers[register][0] in ("coordinate", "constant"):
                calls.append((_copy, (rows[register], out[i])))

        def evaluate() -> None:
            for call, arguments in calls:
                call(*arguments)

        return evaluate


def _copy(x: ndarray, out: ndarray) -> None:
    out[:] = x


_UNARY = {"negative", "absolute"}
_IN_PLACE: Mapping[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "negative": np.negative,
    "absolute": np.absolute,
}


def parse(equations: str, parameters: Mapping[str, float] | None = None) -> Formulas:
    """The vector field of equations "x' = a*(y - x); y' = ...", separated by semicolons; raises ValueError for other text.

    Allowed are + - * /, whole powers (computed as products from left to right), abs(), numbers, the coordinates and the
    parameters. Operations on numbers alone are carried out once, in float64.
    """
    pairs = [part.partition("=") for part in equations.split(";")]
    if not all(left.strip().endswith("'") and right.strip() for left, _, right in pairs):
        raise ValueError(f"expected equations of the form \"x' = ...; y' = ...\", got {equations!r}")
    names = tuple(left.strip()[:-1] for left, _, _ in pairs)
    writer = _Writer(names, parameters or {})
    slopes = tuple(writer.register(ast.parse(right.strip(), mode="eval").body) for _, _, right in pairs)
    return Formulas(names, tuple(writer.registers), slopes)


class _Writer:
    """Translates expressions to registers."""

    def __init__(self, names: tuple[str, ...], parameters: Mapping[str, float]) -> None:
        self.registers: dict[Register, int] = {}
        self._variables = {name: self._add("coordinate", i, i) for i, name in enumerate(names)}
        self._parameters = parameters

    def register(self, node: ast.expr) -> int:
        """The register that holds the value of an expression."""
        match node:
            case ast.Constant(value=int() | float() as value):
                return self._constant(float(value))
            case ast.Name(id=name) if name in self._variables:
                return self._variables[name]
            case ast.Name(id=name) if name in self._parameters:
                return self._constant(float(self._parameters[name]))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._operation("negative", self.register(operand))
            case ast.BinOp(left=base, op=ast.Pow(), right=ast.Constant(value=int() as exponent)) if exponent > 1:
                first = total = self.register(base)
                for _ in range(exponent - 1):
                    total = self._operation("multiply", total, first)
                return total
            case ast.BinOp(left=left, op=symbol, right=right) if type(symbol) in _BINARY:
                return self._operation(_BINARY[type(symbol)], self.register(left), self.register(right))
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
                return self._operation(_FUNCTIONS[name], self.register(argument))
        raise ValueError(f"cannot evaluate '{ast.unparse(node)}' in a formula")

    def _operation(self, operation: str, left: int, right: int | None = None) -> int:
        places = (left,) if right is None else (left, right)
        entries = [list(self.registers)[place] for place in places]
        if all(entry[0] == "constant" for entry in entries):
            return self._constant(_ON_NUMBERS[operation](*(entry[3] for entry in entries)))
        return self._add(operation, places[0], places[-1])

    def _constant(self, value: float) -> int:
        return self._add("constant", 0, 0, value)

    def _add(self, operation: str, left: int, right: int, value: float = 0.0) -> int:
        return self.registers.setdefault((operation, left, right, value), len(self.registers))
