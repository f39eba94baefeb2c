"""Functions compiled by numba and cached on disk; without numba they run as plain Python.

A kernel is written as a plain function and refers to other kernels by their global names. Compiled code is stored in the cache
folder of dynamark, in a folder named by a hash of the sources of the kernel and of all kernels that it calls: numba itself
only checks the file of the outermost function, and would reuse outdated code of an inlined helper.
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
    """The tensor as a NumPy array, copied if it is not contiguous: pass contiguous tensors for in-place results."""
    return x.detach().contiguous().numpy()


class Kernel:
    """A function of arrays and numbers, compiled at its first call.

    exact: keep the order of additions; otherwise sums may be reordered, so that they vectorize.
    parts: kernels that replace global names in this kernel and in the kernels that it calls.
    Types follow numba's rules; `x.dtype.type(0)` is a zero in the precision of x.
    """

    def __init__(
        self, function: Callable[..., Any], exact: bool = False, parts: tuple[tuple[str, Kernel], ...] = ()
    ) -> None:
        # Tests wrap functions in type checks, which do not compile.
        self.function: Any = inspect.unwrap(function)
        self.exact, self.parts = exact, parts

    def __call__(self, *args: Any) -> Any:
        """The function, compiled if numba is installed."""
        return (self.dispatcher if available() else self.plain)(*args)

    def given(self, **parts: Kernel) -> Kernel:
        """A copy of this kernel with other kernels in place of the global names."""
        return _given(self, tuple(sorted(parts.items(), key=lambda part: part[0])))

    @functools.cached_property
    def dispatcher(self) -> Any:
        """The compiled function."""
        return _compile(self._bound(lambda used: used.dispatcher), self.exact, self.digest)

    @functools.cached_property
    def plain(self) -> Any:
        """The function that calls plain Python functions in place of kernels."""
        return self._bound(lambda used: used.plain)

    @functools.cached_property
    def digest(self) -> str:
        """Hash of the source files of this kernel and of the kernels that it calls."""
        sources = hashlib.sha256(Path(self.function.__code__.co_filename).read_bytes())
        sources.update(f"{self.function.__qualname__} {self.exact}".encode())
        for name, callee in sorted(self._uses().items()):
            sources.update(f"{name} {callee.digest}".encode())
        return sources.hexdigest()

    def _uses(self) -> dict[str, Kernel]:
        module, parts = self.function.__globals__, dict(self.parts)
        values = {name: parts.get(name, module.get(name)) for name in _globals_of(self.function)}
        return {name: value.given(**parts) for name, value in values.items() if isinstance(value, Kernel)}

    def _bound(self, of: Callable[[Kernel], Any]) -> Any:
        names = {**self.function.__globals__, **{name: of(callee) for name, callee in self._uses().items()}}
        bound = types.FunctionType(self.function.__code__, names, self.function.__name__, self.function.__defaults__)
        bound.__qualname__ = self.function.__qualname__
        return bound


def _globals_of(function: Any) -> set[str]:
    return {op.argval for op in dis.get_instructions(function) if op.opname == "LOAD_GLOBAL"}


@functools.cache
def _given(inner: Kernel, parts: tuple[tuple[str, Kernel], ...]) -> Kernel:
    names = _globals_of(inner.function)
    replaces = any(part.given(**dict(parts)) is not part for part in inner._uses().values()) if parts else False
    if not replaces and not names & {name for name, _ in parts}:
        return inner
    return Kernel(inner.function, inner.exact, tuple(sorted({**dict(inner.parts), **dict(parts)}.items())))


def kernel(function: Callable[..., Any]) -> Kernel:
    """Decorator: a kernel whose sums may be reordered."""
    return Kernel(function)


def _compile(function: Any, exact: bool, digest: str) -> Any:
    numba = importlib.import_module("numba")
    # Without `nnan` and `ninf`: diverged trajectories contain NaN and infinity. Rounding may depend on the CPU, as in torch.
    flags = {"contract"} if exact else {"contract", "reassoc", "nsz"}
    settings: dict[str, Any] = {"fastmath": flags, "error_model": "numpy"}
    cache_dir = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder() / "compiled" / digest[:16])
    try:
        return numba.njit(function, cache=True, **settings)
    except RuntimeError:  # neither the cache folder nor the source folder is writable
        return numba.njit(function, **settings)
    finally:
        numba.config.CACHE_DIR = cache_dir
