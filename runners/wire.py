"""Problems and answers between processes: a JSON tree beside `.npy` files, memory-mapped when read. No pickles."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
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
    arrays: list[np.ndarray] = []
    tree = _pack(value, arrays)
    for number, array in enumerate(arrays):
        np.save(folder / f"{number}.npy", array, allow_pickle=False)
    # Last, and by rename: a folder with a tree is whole.
    beside = folder / "tree.tmp"
    beside.write_text(json.dumps(tree))
    beside.rename(folder / "tree.json")


def read(folder: Path) -> Any:
    """Read what `write` wrote. Arrays inside dataclasses become tensors, others stay NumPy; writing to them is private."""
    tree = json.loads((folder / "tree.json").read_text())
    return _unpack(tree, folder, tensors=False)


def _pack(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().resolve_conj().numpy()
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
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


def _unpack(node: Any, folder: Path, tensors: bool) -> Any:
    if not isinstance(node, dict):
        return node
    if "array" in node:
        path = folder / f"{node['array']}.npy"
        array = np.load(path, allow_pickle=False) if path.stat().st_size < 1 << 16 else np.load(path, mmap_mode="c")
        return torch.from_numpy(np.asarray(array)) if tensors else np.asarray(array)
    if "type" in node:
        return _TYPES[node["type"]](**{k: _unpack(v, folder, True) for k, v in node["parts"].items()})
    if "map" in node:
        return {k: _unpack(v, folder, tensors) for k, v in node["map"].items()}
    if "tuple" in node:
        return tuple(_unpack(v, folder, tensors) for v in node["tuple"])
    return [_unpack(v, folder, tensors) for v in node["list"]]
