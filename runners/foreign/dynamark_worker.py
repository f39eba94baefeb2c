"""Runs a method under an interpreter that has no dynamark. Needs Python 3.8 and NumPy; everything else is the method's own.

A method is written as for dynamark, with NumPy arrays where dynamark has tensors. What it is given has the names and parts of
`dynamark.tasks.problems`; `from dynamark_worker import Estimate` gives it the class to return for a recovery problem.

    python dynamark_worker.py IN OUT FILE CLASS

reads requests from the file descriptor IN and writes one reply each to OUT. A message is a line of JSON, {"body": tree,
"sizes": [bytes, ...]}, followed by that many `.npy` files of those sizes. A tree is a plain value, or {"array": number of the
file}, {"list": [...]}, {"tuple": [...]}, {"map": {...}}, {"type": name, "parts": {...}}, {"run": {...}} or {"object": number}.
Requests: {"verb": "describe", "fields": {...}}, {"verb": "make", "fields": {...}}, and {"verb": "call", "object": number, "name":
a method of it, "args": [...]}. A reply is {"value": ..., "runs": [what each run recorded]} or {"error": [type, message, place]}.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import json
import math
import os
import platform
import random
import sys
import traceback
from collections.abc import Sequence
from typing import Any, BinaryIO

_MISSING = "cannot import NumPy; install it there (pip install numpy)"
try:
    import numpy as np
except ImportError:
    if __name__ == "__main__":
        with os.fdopen(int(sys.argv[2]), "wb") as _out:
            _out.write(json.dumps({"body": {"error": ["", _MISSING, ""]}, "sizes": []}).encode() + b"\n")
        sys.exit(0)
    raise

__all__ = ["Estimate", "Run"]

# --- what a method is given


@dataclasses.dataclass
class Trajectories:
    """Observations [trajectory, time, dim], inputs [trajectory, steps, channel] and the rest."""

    observations: Any
    inputs: Any = None
    dt: float = 1.0
    gaps: Any = None
    seen: Any = None
    twin: Any = None
    weights: Any = None
    lengths: Any = None

    @property
    def dim(self) -> int:
        """Number of observed channels."""
        return int(self.observations.shape[-1])

    @property
    def channels(self) -> int:
        """Number of input channels, 0 without inputs."""
        return 0 if self.inputs is None else int(self.inputs.shape[-1])

    def __len__(self) -> int:
        return len(self.observations)


@dataclasses.dataclass
class Problem:
    """A problem of any kind: its parts are attributes, as in `dynamark.tasks.problems`."""

    kind: str
    parts: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        parts = self.__dict__.get("parts", {})
        if name in parts:
            return parts[name]
        raise AttributeError(f"{self.__dict__.get('kind')} has no part '{name}'")


@dataclasses.dataclass
class Estimate:
    """A factored matrix: "product" F G^T of (F, G), "symmetric" X X^T of (X,), "dense" X of (X,)."""

    factors: tuple[Any, ...]
    form: str


class Run:
    """The context of a run: a seeded generator, the budget, and what the method reports."""

    def __init__(self, entropy: Sequence[int], budget: int | None) -> None:
        self.entropy, self.budget = list(entropy), budget
        self.curves: dict[str, list[list[float]]] = {}
        self.facts: dict[str, float] = {}
        self.snapshots: list[Any] = []
        self.passes: list[int] = []
        self.steps: int | None = None
        self.numpy = np.random.default_rng(np.random.SeedSequence(self.entropy, spawn_key=(1,)))

    def limit(self, default: int) -> int:
        """The number of steps: `default`, but at most the budget."""
        return default if self.budget is None else min(default, self.budget)

    def progress(self, step: int, total: int) -> None:
        """Report that `step` of `total` steps are done."""
        self.steps = int(step)

    def curve(self, name: str, step: float, value: float) -> None:
        """Record one point of a curve."""
        self.curves.setdefault(name, []).append([float(step), float(value)])

    def fact(self, name: str, value: float) -> None:
        """Record a property of the fitted model."""
        self.facts[name] = float(value)

    def snapshot(self, step: int, factors: Sequence[Any], passes: int | None = None) -> None:
        """Store a copy of an iterate if a snapshot is due at this step."""
        if step <= 50 or int(np.log(step) / np.log(1.05)) != int(np.log(step - 1) / np.log(1.05)):
            self.snapshots.append((step, tuple(np.array(factor) for factor in factors)))
            if passes is not None:
                self.passes.append(int(passes))


# --- measurement operators


def _half(matrix: Any) -> Any:
    """vech(X) = (X_ii; sqrt(2) X_ij, i < j), row by row; a matrix is projected on its symmetric part."""
    i, j = np.triu_indices(matrix.shape[-1])
    return (matrix[..., i, j] + matrix[..., j, i]) * np.where(i == j, 0.5, math.sqrt(0.5))


def _whole(values: Any, n: int) -> Any:
    """The adjoint of `_half`."""
    i, j = np.triu_indices(n)
    matrix = np.zeros((*values.shape[:-1], n, n), values.dtype)
    matrix[..., i, j] = matrix[..., j, i] = values / np.where(i == j, 1.0, math.sqrt(2.0))
    return matrix


def _hadamard(x: Any) -> Any:
    """The Walsh-Hadamard transform along the last axis, without a factor."""
    n, step = x.shape[-1], 1
    while step < n:
        pairs = x.reshape(*x.shape[:-1], n // (2 * step), 2, step)
        low, high = pairs[..., 0, :], pairs[..., 1, :]
        x = np.stack([low + high, low - high], axis=-2).reshape(*x.shape[:-1], n)
        step *= 2
    return x


class Operator:
    """A linear map from matrices [..., row, column] to measurements [..., m], and its adjoint."""

    def __init__(self, kind: str, parts: dict[str, Any]) -> None:
        self.kind, self.parts = kind, parts
        self.shape = tuple(parts["size"])

    def forward(self, matrix: Any) -> Any:
        """A(X)."""
        p = self.parts
        if self.kind == "SampledOperator":
            return matrix[..., p["row"], p["column"]] * p["scale"]
        flat = _half(matrix) if p["symmetric"] else matrix.reshape(*matrix.shape[:-2], -1)
        if self.kind == "DenseOperator":
            return flat @ p["rows"].T
        full = np.zeros((*flat.shape[:-1], self._length()), flat.dtype)
        full[..., : flat.shape[-1]] = flat * p["signs"]
        return _hadamard(full)[..., p["places"]] / math.sqrt(len(p["places"]))

    def adjoint(self, values: Any) -> Any:
        """A*(z)."""
        p = self.parts
        if self.kind == "SampledOperator":
            matrix = np.zeros((*values.shape[:-1], *self.shape), values.dtype)
            matrix[..., p["row"], p["column"]] = values * p["scale"]
            return matrix
        if self.kind == "DenseOperator":
            flat = values @ p["rows"]
        else:
            full = np.zeros((*values.shape[:-1], self._length()), values.dtype)
            full[..., p["places"]] = values / math.sqrt(len(p["places"]))
            flat = _hadamard(full)[..., : len(p["signs"])] * p["signs"]
        return _whole(flat, self.shape[0]) if p["symmetric"] else flat.reshape(*flat.shape[:-1], *self.shape)

    def _length(self) -> int:
        return 1 << (len(self.parts["signs"]) - 1).bit_length()


_OPERATORS = ("DenseOperator", "HadamardOperator", "SampledOperator")


# --- messages: what is said in the docstring above


def pack(value: Any, files: list[bytes]) -> Any:
    """The tree of a value; its arrays are appended to `files`."""
    if isinstance(value, np.ndarray):
        buffer = io.BytesIO()
        np.save(buffer, value, allow_pickle=False)
        files.append(buffer.getvalue())
        return {"array": len(files) - 1}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Estimate):
        parts = {"factors": tuple(value.factors), "form": value.form}
        return {"type": "Estimate", "parts": {name: pack(part, files) for name, part in parts.items()}}
    if isinstance(value, dict):
        return {"map": {str(name): pack(part, files) for name, part in value.items()}}
    if isinstance(value, (list, tuple)):
        return {"tuple" if isinstance(value, tuple) else "list": [pack(part, files) for part in value]}
    return value


def unpack(node: Any, files: Sequence[bytes], runs: list[Run], objects: Sequence[Any] = ()) -> Any:
    """The value of a tree. Runs that it holds are appended to `runs`."""

    def inner(part: Any) -> Any:
        return unpack(part, files, runs, objects)

    if not isinstance(node, dict):
        return node
    if "array" in node:
        return np.load(io.BytesIO(files[node["array"]]), allow_pickle=False)
    if "run" in node:
        runs.append(Run(**node["run"]))
        return runs[-1]
    if "object" in node:
        return objects[node["object"]]
    if "type" in node:
        parts = {name: inner(part) for name, part in node["parts"].items()}
        if node["type"] == "Trajectories":
            return Trajectories(**parts)
        return Operator(node["type"], parts) if node["type"] in _OPERATORS else Problem(node["type"], parts)
    if "map" in node:
        return {name: inner(part) for name, part in node["map"].items()}
    if "tuple" in node:
        return tuple(inner(part) for part in node["tuple"])
    return [inner(part) for part in node["list"]]


def receive(stream: BinaryIO) -> tuple[Any, list[bytes]] | None:
    """The body and the files of the next message; None at the end."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    message = json.loads(line)
    return message["body"], [stream.read(size) for size in message["sizes"]]


def send(stream: BinaryIO, body: Any, files: Sequence[bytes]) -> None:
    """Write one message to the parent, as a line of JSON."""
    stream.write(json.dumps({"body": body, "sizes": [len(file) for file in files]}).encode() + b"\n")
    for file in files:
        stream.write(file)
    stream.flush()


# --- serving


_ATTRIBUTES = ("data_units", "from_rest", "shortest")


def _load(path: str, name: str) -> Any:
    sys.path.append(os.path.dirname(path))  # noqa: PTH120  # its helpers
    spec = importlib.util.spec_from_file_location("dynamark_plugin", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["dynamark_plugin"] = module
    spec.loader.exec_module(module)
    if not hasattr(module, name):
        own = [n for n, v in vars(module).items() if isinstance(v, type) and v.__module__ == "dynamark_plugin"]
        raise LookupError(f"{path} has no class '{name}'; its classes: {', '.join(own) or 'none'}")
    return getattr(module, name)


def _describe(cls: Any, fields: dict[str, Any]) -> dict[str, Any]:
    if not dataclasses.is_dataclass(cls):
        raise LookupError("it is not a dataclass; write @dataclass(frozen=True) above the class")
    names = [field.name for field in dataclasses.fields(cls) if field.init]
    if wrong := sorted(set(fields) - set(names)):
        raise LookupError(f"it has no field '{wrong[0]}'; its fields: {', '.join(sorted(names)) or 'none'}")
    make: Any = cls
    method = make(**fields)
    defaults = {}
    for field in dataclasses.fields(cls):
        if field.default is not dataclasses.MISSING:
            defaults[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            defaults[field.name] = field.default_factory()
    return {
        "fields": {name: getattr(method, name) for name in names},
        "defaults": {name: value for name, value in defaults.items() if name in names},
        "abilities": _abilities(method),
        "space": {name: list(values) for name, values in getattr(cls, "search_space", {}).items()},
        "frozen": bool(make.__dataclass_params__.frozen),
    }


def _abilities(value: Any) -> list[str]:
    return [name for name in dir(value) if not name.startswith("_") and callable(getattr(value, name, None))]


def _versions() -> dict[str, str | None]:
    """Versions that a row records; of packages that the method has imported, or None."""
    modules = {name: sys.modules.get(name) for name in ("numpy", "torch", "scipy", "numba")}
    versions = {name: None if module is None else str(module.__version__) for name, module in modules.items()}
    return dict(versions, python=platform.python_version())


class _Server:
    """Keeps the objects of one class, and answers requests."""

    def __init__(self, path: str, name: str) -> None:
        self.path, self.name = path, name
        self.cls: Any = None
        self.objects: list[Any] = []

    def answer(self, request: dict[str, Any], files: Sequence[bytes], sent: list[bytes]) -> dict[str, Any]:
        """The body of a reply; its arrays are appended to `sent`."""
        if self.cls is None:
            self.cls = _load(self.path, self.name)
        runs: list[Run] = []
        if request["verb"] == "describe":
            return {"value": _describe(self.cls, unpack(request["fields"], files, runs))}
        if request["verb"] == "make":
            return {"value": self._kept(self.cls(**unpack(request["fields"], files, runs)))}
        if request["verb"] == "versions":
            return {"value": _versions()}
        target = self.objects[request["object"]]
        arguments = [unpack(part, files, runs, self.objects) for part in request["args"]]
        if runs:
            _seed(runs)
        value = getattr(target, request["name"])(*arguments)
        names = ("curves", "facts", "passes", "steps")
        records = [{**{n: getattr(r, n) for n in names}, "snapshots": pack(r.snapshots, sent)} for r in runs]
        fitting = request["name"].startswith("fit_")
        tree = self._models(value, sent) if fitting else pack(value, sent)
        return {"value": tree, "runs": records}

    def _models(self, value: Any, sent: list[bytes]) -> Any:
        """Models stay here, each under a number; an estimate is plain data."""
        if isinstance(value, (list, tuple)):
            return {"list": [self._models(part, sent) for part in value]}
        return pack(value, sent) if isinstance(value, Estimate) else self._kept(value)

    def _kept(self, value: Any) -> dict[str, Any]:
        self.objects.append(value)
        attributes = {name: getattr(value, name) for name in _ATTRIBUTES if hasattr(value, name)}
        return {"object": len(self.objects) - 1, "abilities": _abilities(value), "attributes": attributes}


def _seed(runs: Sequence[Run]) -> None:
    """Seed the global generators: a method that draws from them is reproducible all the same."""
    words = np.random.SeedSequence([word for run in runs for word in run.entropy]).generate_state(4)
    random.seed(words.tobytes())
    np.random.seed(words)  # noqa: NPY002


def _error(error: BaseException, path: str) -> dict[str, Any]:
    """The type, the first line and the place of an exception."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename == path] or [f for f in frames if f.filename != __file__]
    place = f"{os.path.basename(own[-1].filename)}:{own[-1].lineno}" if own else ""  # noqa: PTH119
    try:
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
    except Exception:
        text = ""
    return {"error": [type(error).__name__, text.encode(errors="replace").decode()[:2000], place]}


def main() -> None:
    """Answer until the requests end."""
    requests, replies = os.fdopen(int(sys.argv[1]), "rb"), os.fdopen(int(sys.argv[2]), "wb")
    path, name = sys.argv[3:5]
    sys.modules["dynamark_worker"] = sys.modules[__name__]
    sys.path.pop(0)  # the folder of this file holds nothing for a method
    server = _Server(path, name)
    while True:
        if (message := receive(requests)) is None:
            return
        sent: list[bytes] = []
        try:
            body = server.answer(message[0], message[1], sent)
            json.dumps(body)
        except BaseException as error:
            body, sent = _error(error, path), []
        send(replies, body, sent)


if __name__ == "__main__":
    main()
