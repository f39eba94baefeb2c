"""A method in an environment of its own: another interpreter, without torch, under the limits of every worker."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import LINE, PLUGINS, write_suite

from dynamark.errors import UserError
from dynamark.results.store import Store
from dynamark.runners.execute.ending import versions_in
from dynamark.runners.foreign import dynamark_worker
from dynamark.runners.foreign.target import EnvTarget
from dynamark.runners.registry import resolve_method
from dynamark.runners.run import run
from dynamark.runners.spec import parse, relative_to
from dynamark.tasks.numerics.operators import DenseOperator, HadamardOperator, SampledOperator

FILE = PLUGINS / "elsewhere.py"


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of a second environment: it finds the NumPy of this one, and no torch."""
    folder = tmp_path_factory.mktemp("env")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=120)
    packages = next((folder / "lib").glob("python*/site-packages"))
    spec = importlib.util.find_spec("numpy")
    assert spec is not None
    assert spec.origin is not None
    home = Path(spec.origin).parent
    for part in (home, home.with_name("numpy.libs")):
        if part.is_dir():
            (packages / part.name).symlink_to(part)
    return str(folder / "bin" / "python")


def spelled(python: str, cls: str, fields: str = "", alias: str = "") -> str:
    return f"{alias + '=' if alias else ''}env:{python}!{FILE}:{cls}{fields}"


def rows_of(store: Path) -> list[dict[str, Any]]:
    return Store(store).rows().to_pylist()


def test_that_interpreter_has_no_torch(python: str) -> None:
    done = subprocess.run(
        [python, "-c", "import numpy, torch"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode != 0
    assert "No module named 'torch'" in done.stderr


def test_it_runs_beside_others_and_costs_only_its_own_run(python: str, tmp_path: Path) -> None:
    """Equal to the same method of dynamark; each fault is a row of the right status; the row says which interpreter made it."""
    faults = ("raise", "signal", "exit", "sleep", "memory", "shape")
    own = [spelled(python, "Line", f"(fault='{fault}')", fault) for fault in faults]
    suite = write_suite(tmp_path / "s.toml", [LINE, spelled(python, "Line", "", "mine"), *own], seeds=1)
    run(suite, store=tmp_path / "store", workers=2, timeout=6.0, memory_gb=2.0)
    rows = {row["method"]: row for row in rows_of(tmp_path / "store")}
    assert {name: row["status"] for name, row in rows.items()} == {
        "walk.py:Line": "ok",
        "mine": "ok",
        "raise": "error",
        "signal": "crashed",
        "exit": "crashed",
        "sleep": "timeout",
        "memory": "out_of_memory",
        "shape": "error",
    }
    assert rows["mine"]["primary"]["value"] == pytest.approx(rows["walk.py:Line"]["primary"]["value"], abs=1e-12)
    assert rows["mine"]["parameters"] == 2
    assert rows["mine"]["steps"] == 3
    assert "loss" in {curve["name"] for curve in rows["mine"]["curves"]}
    assert {"name": "fact.paths", "value": 1.0} in rows["mine"]["scores"]
    assert rows["mine"]["provenance"]["torch"] is None
    assert rows["mine"]["provenance"]["numpy"] == np.__version__
    assert rows["walk.py:Line"]["provenance"]["torch"] == torch.__version__
    assert rows["raise"]["reason"].startswith("ValueError: no luck (elsewhere.py:")
    assert rows["signal"]["reason"] == "the process was killed by SIGSEGV"
    assert rows["exit"]["reason"].endswith("(exit code 3)")
    assert rows["shape"]["reason"].startswith("forecast 'next': wanted shape")


@pytest.mark.parametrize(
    ("cls", "task"), [("Descent", "sensing/asymmetric"), ("Last", "lds/regret"), ("Last", "lds/rot_noisy")]
)
def test_other_kinds_of_problem(python: str, tmp_path: Path, cls: str, task: str) -> None:
    suite = write_suite(tmp_path / "s.toml", [spelled(python, cls)], [task], seeds=2)
    report = run(suite, store=tmp_path / "a", engine="inline")
    run(suite, store=tmp_path / "b", engine="inline")
    assert set(report.statuses) <= {"ok", "diverged"}, report.failures
    first, second = ([(row["key"], row["scores"]) for row in rows_of(tmp_path / name)] for name in "ab")
    assert first == second


def test_fields_are_chosen_on_validation_data(python: str, tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "s.toml", [spelled(python, "Line", "(gain={0.5, 1.0})", "chosen")], seeds=1)
    run(suite, store=tmp_path / "store", engine="inline")
    (row,) = rows_of(tmp_path / "store")
    assert row["status"] == "ok"
    assert [candidate["fields"] for candidate in row["candidates"] if candidate["chosen"]] == ['{"gain":1.0}']


def test_its_key_has_its_source_and_no_path(python: str, tmp_path: Path) -> None:
    method = resolve_method(parse(spelled(python, "Line", "(gain=0.5)")))
    assert method.label == "elsewhere.py:Line(gain=0.5)"
    assert method.space == {"gain": (1.0, 0.5)}
    copy = tmp_path / "elsewhere.py"
    copy.write_text(FILE.read_text())
    assert resolve_method(parse(f"env:{python}!{copy}:Line")).source == method.source
    copy.write_text(FILE.read_text().replace("np.ones(1 << 33)", "np.ones(1 << 34)"))
    assert resolve_method(parse(f"env:{python}!{copy}:Line")).source != method.source


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("env:/no/python!{file}:Line", "/no/python does not exist; write env:"),
        ("env:{python}!/no/mine.py:Line", "/no/mine.py does not exist; write env:"),
        ("env:{python}!{file}", "cannot read 'env:"),
        ("env:{python}", "cannot read 'env:"),
        ("env:{python}!{file}:Lin", "has no class 'Lin'; its classes: "),
        ("env:{python}!{file}:Line(gian=1)", "it has no field 'gian'; its fields: fault, gain"),
        ("env:{python}!{file}:Memory", "it is not a dataclass"),
        ("env:/bin/false!{file}:Line", "it ended the process (exit code 1)"),
        ("env:{file}!{file}:Line", "cannot start "),
    ],
)
def test_errors_are_one_line(python: str, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        resolve_method(parse(text.format(python=python, file=FILE)))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_interpreter_without_numpy_is_named(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True, timeout=120)
    with pytest.raises(UserError, match="cannot import NumPy; install it there"):
        resolve_method(parse(f"env:{tmp_path}/bare/bin/python!{FILE}:Line"))


def test_a_suite_names_it_relative_to_its_folder() -> None:
    spec = relative_to(Path("/suites"), parse("mine=env:venv/bin/python!mine.py:Mine"))
    assert spec.name == "env:/suites/venv/bin/python!/suites/mine.py:Mine"
    assert str(EnvTarget.read(spec.name)) == spec.name


@pytest.mark.parametrize(
    "operator",
    [
        DenseOperator(torch.randn(7, 12, dtype=torch.float64), (3, 4)),
        DenseOperator(torch.randn(7, 6, dtype=torch.float64), (3, 3), symmetric=True),
        SampledOperator(torch.tensor([0, 2, 1]), torch.tensor([3, 0, 1]), (3, 4), 2.0),
        HadamardOperator(torch.ones(12, dtype=torch.float64), torch.tensor([1, 5, 9]), (3, 4)),
        HadamardOperator(torch.ones(6, dtype=torch.float64), torch.tensor([1, 5]), (3, 3), symmetric=True),
    ],
    ids=lambda operator: f"{type(operator).__name__}-{operator.size}",
)
def test_operators_are_those_of_dynamark(operator: Any) -> None:
    parts = {n: v.numpy() if isinstance(v, torch.Tensor) else v for n, v in vars(operator).items()}
    there = dynamark_worker.Operator(type(operator).__name__, parts)
    matrix = torch.randn(2, *operator.shape, dtype=torch.float64)
    values = operator.forward(matrix)
    np.testing.assert_allclose(there.forward(matrix.numpy()), values, atol=1e-12)
    np.testing.assert_allclose(there.adjoint(values.numpy()), operator.adjoint(values), atol=1e-12)


@pytest.mark.parametrize(
    "report", ["", "null", "[]", '{"versions": 3}', '{"versions": {"python": "3"}}', "[" * 100_000]
)
def test_versions_that_a_method_could_forge_are_left_out(report: str) -> None:
    assert versions_in(report) == {}
