"""Problems and answers between processes: a JSON tree beside `.npy` files, memory-mapped when read. No pickles."""

from __future__ import annotations

import dataclasses
import functools
import json
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dynamark.tasks import problems
from dynamark.tasks.numerics import operators

__all__ = ["read", "write"]

# The dataclasses that may travel: the vocabulary and the operators.
_TYPES: dict[str, type] = {
    name: value
    for module in (problems, operators)
    for name in module.__all__
    if isinstance(value := getattr(module, name), type) and dataclasses.is_dataclass(value)
}


def write(folder: Path, value: Any) -> None:
    """Write a tree of dataclasses, mappings, sequences, arrays and plain values to a fresh folder."""
    folder.mkdir()
    arrays: dict[int, tuple[int, np.ndarray]] = {}
    tree = _pack(value, arrays)
    for number, array in arrays.values():
        np.save(folder / f"{number}.npy", array, allow_pickle=False)
    # Last, and by rename: a folder with a tree is whole.
    beside = folder / "tree.tmp"
    beside.write_text(json.dumps(tree))
    beside.rename(folder / "tree.json")


def read(folder: Path) -> Any:
    """Read what `write` wrote. Arrays inside dataclasses become tensors, others stay NumPy; writing to them is private.

    What was one array is one array again.
    """
    tree = json.loads(_regular(folder / "tree.json").read_text())

    @functools.cache
    def array(number: int, tensor: bool) -> Any:
        path = _regular(folder / f"{number}.npy")
        small = path.stat().st_size < 1 << 16
        loaded = np.asarray(np.load(path, allow_pickle=False) if small else np.load(path, mmap_mode="c"))
        return torch.from_numpy(loaded) if tensor else loaded

    return _unpack(tree, array, tensors=False)


def _regular(path: Path) -> Path:
    """The path of a file that is one: a link or a pipe, which a method may have put there, is refused."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ValueError(f"{path.name} is no regular file")
    return path


def _pack(value: Any, arrays: dict[int, tuple[int, np.ndarray]]) -> Any:
    """The tree of a value; an array that stands in several places (an operator that seeds share) is kept once."""
    if isinstance(value, torch.Tensor | np.ndarray):
        if id(value) not in arrays:
            arrays[id(value)] = (len(arrays), _plain(value))
        return {"array": arrays[id(value)][0]}
    if isinstance(value, np.generic):
        return value.item()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        name = type(value).__name__
        if _TYPES.get(name) is not type(value):
            raise TypeError(f"{name} is not in the vocabulary of problems, so it cannot be handed to a method")
        parts = {f.name: _pack(getattr(value, f.name), arrays) for f in dataclasses.fields(value)}
        return {"type": name, "parts": parts}
    if isinstance(value, Mapping):
        return {"map": {key: _pack(part, arrays) for key, part in value.items()}}
    if isinstance(value, list | tuple):
        return {"tuple" if isinstance(value, tuple) else "list": [_pack(part, arrays) for part in value]}
    return value


def _plain(value: torch.Tensor | np.ndarray) -> np.ndarray:
    return value.detach().cpu().resolve_conj().numpy() if isinstance(value, torch.Tensor) else value


def _unpack(node: Any, array: Callable[[int, bool], Any], tensors: bool) -> Any:
    if not isinstance(node, dict):
        return node
    if "array" in node:
        return array(node["array"], tensors)
    if "type" in node:
        return _TYPES[node["type"]](**{k: _unpack(v, array, True) for k, v in node["parts"].items()})
    if "map" in node:
        return {k: _unpack(v, array, tensors) for k, v in node["map"].items()}
    if "tuple" in node:
        return tuple(_unpack(v, array, tensors) for v in node["tuple"])
    return [_unpack(v, array, tensors) for v in node["list"]]
