"""Functions that numba compiles where it is installed, and keeps on disk; elsewhere they run as they are.

A kernel is written as a plain function and refers to other kernels by their global names. Compiled code is kept under the
cache folder of dynamark, in a folder named by the sources of the kernel and of all kernels that it uses: numba itself compares
the file of the outermost function only, and would go on using an old helper that was inlined.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import importlib
import inspect
import types
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor

from dynamark.folders import cache_folder

__all__ = ["Kernel", "as_array", "available", "kernel"]


@functools.cache
def available() -> bool:
    """Whether numba is installed."""
    return find_spec("numba") is not None


def as_array(x: Tensor) -> Any:
    """The tensor as an array; a copy where it is not contiguous, so that what is written to is made contiguous."""
    return x.detach().contiguous().numpy()


class Kernel:
    """A function of arrays and numbers, compiled at its first call.

    exact: keep the order of additions. Else sums may be reordered, which vectorizes them.
    parts: other kernels in place of global names, here and in the kernels that this one uses.
    Numbers that are read from arrays follow numba's rules, and `x.dtype.type(0)` keeps single precision single.
    """

    def __init__(
        self, function: Callable[..., Any], exact: bool = False, parts: tuple[tuple[str, Kernel], ...] = ()
    ) -> None:
        # Tests wrap functions in checks of their types, which do not compile.
        self.function: Any = inspect.unwrap(function)
        self.exact, self.parts = exact, parts

    def __call__(self, *args: Any) -> Any:
        """The function, compiled if numba is installed."""
        return (self.dispatcher if available() else self.plain)(*args)

    def given(self, **parts: Kernel) -> Kernel:
        """The kernel with other kernels under these names."""
        return _given(self, tuple(sorted(parts.items(), key=lambda part: part[0])))

    @functools.cached_property
    def dispatcher(self) -> Any:
        """The compiled function."""
        return _compile(self._bound(lambda used: used.dispatcher), self.exact, self.digest)

    @functools.cached_property
    def plain(self) -> Any:
        """The function with the plain functions of the kernels that it uses."""
        return self._bound(lambda used: used.plain)

    @functools.cached_property
    def digest(self) -> str:
        """The sources of this kernel's file and of those of the kernels that it uses."""
        whole = hashlib.sha256(Path(self.function.__code__.co_filename).read_bytes())
        whole.update(f"{self.function.__qualname__} {self.exact}".encode())
        for name, used in sorted(self._uses().items()):
            whole.update(f"{name} {used.digest}".encode())
        return whole.hexdigest()

    def _uses(self) -> dict[str, Kernel]:
        own, replaced = self.function.__globals__, dict(self.parts)
        named = {name: replaced.get(name, own.get(name)) for name in _globals_of(self.function)}
        return {name: used.given(**replaced) for name, used in named.items() if isinstance(used, Kernel)}

    def _bound(self, of: Callable[[Kernel], Any]) -> Any:
        names = {**self.function.__globals__, **{name: of(used) for name, used in self._uses().items()}}
        bound = types.FunctionType(self.function.__code__, names, self.function.__name__, self.function.__defaults__)
        bound.__qualname__ = self.function.__qualname__
        return bound


def _globals_of(function: Any) -> set[str]:
    return {step.argval for step in dis.get_instructions(function) if step.opname == "LOAD_GLOBAL"}


@functools.cache
def _given(inner: Kernel, parts: tuple[tuple[str, Kernel], ...]) -> Kernel:
    names = _globals_of(inner.function)
    deeper = any(used.given(**dict(parts)) is not used for used in inner._uses().values()) if parts else False
    if not deeper and not names & {name for name, _ in parts}:
        return inner
    return Kernel(inner.function, inner.exact, tuple(sorted({**dict(inner.parts), **dict(parts)}.items())))


def kernel(function: Callable[..., Any]) -> Kernel:
    """Decorator: a kernel whose sums may be reordered."""
    return Kernel(function)


def _compile(function: Any, exact: bool, digest: str) -> Any:
    numba = importlib.import_module("numba")
    # No `nnan` and no `ninf`: diverged members hold such numbers. Rounding may differ by processor, as it does in torch.
    flags = {"contract"} if exact else {"contract", "reassoc", "nsz"}
    settings: dict[str, Any] = {"fastmath": flags, "error_model": "numpy"}
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder() / "compiled" / digest[:16])
    try:
        return numba.njit(function, cache=True, **settings)
    except RuntimeError:  # neither the cache folder nor that of the sources can be written to
        return numba.njit(function, **settings)
    finally:
        numba.config.CACHE_DIR = before
