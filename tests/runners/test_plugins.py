"""Names to classes: specs, files, entry points, and what is said when one is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import LINE, PLUGINS, WALK, write_suite

from dynamark.errors import UserError
from dynamark.methods.catalog import METHODS
from dynamark.results.store import Store
from dynamark.runners.claims.experiments import EXPERIMENTS
from dynamark.runners.registry import load, resolve_experiment, resolve_method, resolve_task
from dynamark.runners.spec import parse
from dynamark.tasks.catalog import TASKS


@pytest.mark.parametrize(
    ("text", "name", "fields", "alias"),
    [
        ("edmd", "edmd", {}, None),
        (" edmd ( degree = 3 ) ", "edmd", {"degree": 3}, None),
        ("a/b.py:C(x=(1, 2), y='z=1')", "a/b.py:C", {"x": (1, 2), "y": "z=1"}, None),
        ("mine=a/b.py:C", "a/b.py:C", {}, "mine"),
        ("my-1.5=edmd(rank=-2)", "edmd", {"rank": -2}, "my-1.5"),
    ],
)
def test_specs(text: str, name: str, fields: dict[str, object], alias: str | None) -> None:
    spec = parse(text)
    assert (spec.name, spec.fields, spec.alias) == (name, fields, alias)


@pytest.mark.parametrize(
    "text",
    ["edmd(3)", "edmd(", "edmd(degree=x)", "edmd(**{})", "", "(a=1)", "edmd(a=1)(b=2)", "edmd(a=__import__('os'))"],
)
def test_specs_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UserError, match="cannot read"):
        parse(text)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_of_the_catalog_resolves_and_names_its_paper(name: str) -> None:
    method = resolve_method(parse(name))
    assert method.label == name
    assert method.build()
    assert load(method.target, "method").__doc__


@pytest.mark.parametrize("name", sorted(TASKS))
def test_every_task_of_the_catalog_resolves_at_tiny_and_standard(name: str) -> None:
    for tier in ("tiny", "standard"):
        task = resolve_task(parse(name), tier)
        assert (task.name, task.tier) == (name, tier)
        assert task.metrics
        assert json.loads(json.dumps(task.fields()))


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_every_experiment_of_the_catalog_resolves(name: str) -> None:
    assert resolve_experiment(parse(name)).label == name


def test_labels_show_what_differs_from_the_default() -> None:
    assert resolve_method(parse(f"{LINE}(gain=1.0)")).label == "walk.py:Line"
    assert resolve_method(parse(f"{LINE}(gain=0.5)")).label == "walk.py:Line(gain=0.5)"
    assert resolve_method(parse(f"mine={LINE}(gain=0.5)")).label == "mine"
    assert resolve_task(parse(f"{WALK}(noise=0.5)"), "tiny").name == "walk.py:Walk(noise=0.5)"


def test_a_whole_number_for_a_float_is_the_same_task_with_the_same_data() -> None:
    """Tasks are compared by value where data is kept within a process, so equal tasks must have equal data."""
    zeros = [resolve_task(parse(f"{WALK}(noise={value})"), "tiny") for value in ("0", "0.0", "-0.0")]
    assert len({str(task.fields()) for task in zeros}) == 1
    one, other = (resolve_task(parse(f"{WALK}(noise={value})"), "tiny") for value in ("2", "2.0"))
    assert one.name == other.name == "walk.py:Walk(noise=2.0)"
    assert type(one.noise) is type(other.noise) is float  # type: ignore[attr-defined]
    assert one.rng(0).random() == other.rng(0).random()


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return f"{path}:Mine"


BAD = {
    "x = 1\n": "has no class 'Mine'; its classes: none",
    "class Yours: pass\n": "has no class 'Mine'; its classes: Yours",
    "class Mine: pass\n": "is not a dataclass; write @dataclass",
    "import nothing_of_that_name\n": ": ModuleNotFoundError: No module named 'nothing_of_that_name'",
    "1 +\n": "mine.py:Mine': SyntaxError",
    "from dataclasses import dataclass\n@dataclass\nclass Mine:\n    x: int\n": "cannot create 'mine.py:Mine'",
    "from dataclasses import dataclass\n@dataclass\nclass Mine:\n    x: object = object\n": "is not plain data",
    "from dataclasses import dataclass\n@dataclass\nclass Mine:\n    def __post_init__(self):\n"
    "        raise ValueError('too big')\n": "ValueError: too big",
}


@pytest.mark.parametrize(("text", "message"), BAD.items(), ids=range(len(BAD)))
def test_a_bad_file_is_named_with_its_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        resolve_method(parse(write(tmp_path / "mine.py", text)))
    assert message in str(error.value)
    assert "mine.py" in str(error.value)
    assert str(error.value).startswith("cannot import method '") == ("Error" in message and "ValueError" not in message)


def test_unknown_names_suggest_near_ones() -> None:
    with pytest.raises(UserError, match="unknown method 'persistance'; did you mean persistence"):
        resolve_method(parse("persistance"))
    with pytest.raises(UserError, match="unknown task 'chaos/lorentz63'; did you mean chaos/lorenz63"):
        resolve_task(parse("chaos/lorentz63"), "tiny")
    with pytest.raises(UserError, match=r"does not exist; write path/to/file\.py:Class"):
        resolve_method(parse("nowhere/mine.py:Mine"))
    with pytest.raises(UserError, match=r"'walk\.py:Line' has no field 'gian'; its fields: gain"):
        resolve_method(parse(f"{LINE}(gian=2)"))
    with pytest.raises(UserError, match="has no parameter 'nois'; it has: length, noise"):
        resolve_task(parse(f"{WALK}(nois=2)"), "tiny")
    with pytest.raises(UserError, match="unknown tier 'huge'; available: standard, tiny"):
        resolve_task(parse(WALK), "huge")
    with pytest.raises(UserError, match="unknown experiment"):
        resolve_experiment(parse("nonsense/nothing"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example package, really built and installed, in a folder of its own."""
    target = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "package"
    import shutil

    shutil.copytree(PLUGINS / "package", source)
    words = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(target),
        str(source),
    ]
    subprocess.run(words, check=True, capture_output=True)
    return target


def test_a_plug_in_package_is_found_by_its_entry_points(installed: Path, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), *filter(None, [os.environ.get("PYTHONPATH")])])}
    command = [sys.executable, "-m", "dynamark"]
    for what, name in (("methods", "halfway"), ("tasks", "example/still")):
        output = subprocess.run([*command, "list", what], env=env, capture_output=True, text=True, check=True).stdout
        assert name in output.split()
    suite = write_suite(tmp_path / "s.toml", ["halfway", "halfway(share=1.0)", "persistence"], ["example/still"])
    subprocess.run([*command, "run", suite, "--store", str(tmp_path / "store"), "--quiet"], env=env, check=True)
    error = {r["method"]: r["primary"]["value"] for r in Store(tmp_path / "store").rows().to_pylist()}
    assert error["persistence"] == error["halfway(share=1.0)"] == 0
    assert error["halfway"] > 0
