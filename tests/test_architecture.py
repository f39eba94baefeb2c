"""The map of the house, held: arrows point down, the top is light, and what is forbidden stays out."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "dynamark"

# What each floor may import of ours. The basement lies below all.
BASEMENT = ("dynamark.errors", "dynamark.folders", "dynamark.version")
CLAIMS = ("dynamark.runners", "dynamark.results", "dynamark.tasks.catalog", "dynamark.methods.catalog")
LEADERBOARD = ("dynamark.leaderboards", "dynamark.results", "dynamark.tasks.catalog")
MAY = {
    "tasks/problems.py": (),
    "tasks/numerics": ("dynamark.tasks.numerics", "dynamark.tasks.problems"),  # the vocabulary for types only
    "tasks": ("dynamark.tasks",),
    "methods": ("dynamark.methods", "dynamark.tasks.problems", "dynamark.tasks.numerics"),
    "results": ("dynamark.results",),
    "runners/claims": CLAIMS,
    "runners": (
        "dynamark.runners",
        "dynamark.results",
        "dynamark.methods.catalog",
        "dynamark.methods.fields",
        "dynamark.tasks",
    ),
    # Its top asks the floor below for judged claims, and for where the source of a method is (a mere table of strings).
    "leaderboard/assemble.py": (
        "dynamark.leaderboards",
        "dynamark.results",
        "dynamark.runners.claims",
        "dynamark.runners.plan.board",
        "dynamark.runners.plan.suite",
        "dynamark.runners.facts",
        "dynamark.methods.catalog",
    ),
    # Which tasks and methods a board has, and how a tuned row is marked.
    "leaderboard/boards.py": (*LEADERBOARD, "dynamark.runners.plan.board", "dynamark.runners.spec"),
    # Which tasks a sweep has, in the order of the values of its field.
    "leaderboard/sweeps.py": (*LEADERBOARD, "dynamark.runners.plan.suite", "dynamark.runners.spec"),
    "leaderboard/page": (
        "dynamark.leaderboards",
        "dynamark.results",
        "dynamark.tasks.catalog",
        "dynamark.runners.claims",
        "dynamark.runners.facts",
    ),
    # Of tasks only their names: the catalog is a mere table of strings; docstrings behind it are read, not imported.
    "leaderboard": LEADERBOARD,
    "cli": ("dynamark",),
}
# Experiments are the one place below which tasks and methods meet by import.
MEASURING = ("dynamark.tasks", "dynamark.methods")


def modules() -> list[Path]:
    floors = ["tasks", "methods", "results", "runners", "leaderboards", "cli"]
    return sorted(path for floor in floors for path in (SOURCE / floor).rglob("*.py"))


def imported(path: Path) -> set[str]:
    actual = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            # `from dynamark.methods import cohort` names a module, `from dynamark import __version__` a value.
            actual |= {f"{module}.{alias.name}" for alias in node.names} if module.count(".") < 2 else {module}
        elif isinstance(node, ast.Import):
            actual |= {alias.name for alias in node.names}
    return {name for name in actual if name.split(".")[0] == "dynamark"}


def floor_of(path: Path) -> str:
    inside = path.relative_to(SOURCE).as_posix().replace("leaderboards/", "leaderboard/")
    return next(floor for floor in MAY if inside == floor or inside.startswith(f"{floor}/"))


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_arrows_point_down(path: Path) -> None:
    measuring = MEASURING if floor_of(path) == "runners/claims" and path.name.startswith("experiments_") else ()
    allowed = (*MAY[floor_of(path)], *BASEMENT, *measuring)
    for name in imported(path):
        assert any(name == a or name.startswith(f"{a}.") or a == "dynamark" for a in allowed), f"{path} imports {name}"


@pytest.mark.parametrize("path", sorted((SOURCE / "leaderboards").rglob("*.py")), ids=lambda p: p.name)
def test_the_leaderboard_knows_no_method(path: Path) -> None:
    """Not even by a path in a text: methods are handed to it, or stand in rows."""
    names = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
    assert not [text for text in names if isinstance(text, str) and "dynamark.methods" in text]
    if path.name != "assemble.py":
        assert not any(name.startswith("dynamark.methods") for name in imported(path))


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("__init__.py")), ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_packages_import_nothing(path: Path) -> None:
    if path.parent.name in ("dynamark", "cli"):
        pytest.skip("the face and the command")
    assert not [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Import | ast.ImportFrom)]


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_least_squares_name_a_driver_with_stable_bits(path: Path) -> None:
    """torch.linalg.lstsq defaults to gelsy, whose bits differ between two calls."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("torch.linalg.lstsq"):
            drivers = [ast.literal_eval(k.value) for k in node.keywords if k.arg == "driver"]
            assert drivers == ["gelsd"], f"{path}:{node.lineno}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_files_hold_one_idea(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def loaded_by(*words: str) -> set[str]:
    code = f"import sys; from dynamark.cli import main\ntry: main({list(words)!r})\nexcept SystemExit: pass\nprint(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(out.splitlines()[-1].split())


@pytest.mark.parametrize(
    "words", [["--help"], ["run", "--help"], ["list", "tasks"], ["list", "methods"], ["list", "suites"]]
)
def test_the_top_is_light(words: list[str]) -> None:
    heavy = {"torch", "numpy", "pyarrow", "pandas", "datasets", "scipy"}
    assert not heavy & loaded_by(*words)


@pytest.mark.parametrize("words", [["leaderboard", "--no-published"], ["claims", "list", "--no-published"]])
def test_readers_of_rows_need_no_torch(words: list[str]) -> None:
    assert "torch" not in loaded_by(*words)


def test_a_folder_imported_by_its_bare_name_is_refused() -> None:
    code = "import sys; sys.path.insert(0, '.')\nimport tasks"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert "import dynamark.tasks instead" in done.stderr


def graph() -> dict[str, set[str]]:
    """Every file of the package with the files that it imports, for types and inside functions too."""
    paths = {
        ".".join(["dynamark", *path.relative_to(SOURCE).with_suffix("").parts]).removesuffix(".__init__"): path
        for path in [*modules(), *SOURCE.glob("*.py")]
    }
    edges: dict[str, set[str]] = {}
    for name, path in paths.items():
        edges[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                inside = {f"{node.module}.{alias.name}" for alias in node.names} & paths.keys()
                edges[name] |= inside or ({node.module} & paths.keys())
            elif isinstance(node, ast.Import):
                edges[name] |= {alias.name for alias in node.names} & paths.keys()
        edges[name].discard(name)
    return edges


def test_no_file_imports_itself_by_way_of_others() -> None:
    from graphlib import CycleError, TopologicalSorter

    circle: list[str] = []
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        circle = error.args[1]
    assert not circle, " -> ".join(circle)


def test_the_test_of_circles_sees_one() -> None:
    edges = graph()
    assert "dynamark.results.schema" in edges["dynamark.results.store"]
    assert len(edges) > 250


def test_every_public_name_is_documented_and_has_its_real_signature() -> None:
    import inspect

    import dynamark

    for name in dynamark.__all__:
        value = getattr(dynamark, name)
        assert name == "__version__" or value.__doc__, name
        if inspect.isfunction(value):
            assert "kwargs" not in inspect.signature(value).parameters
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = dynamark.nonsense


def test_the_function_leaderboard_stays_a_function_whatever_is_imported(tmp_path: Path) -> None:
    for first in (
        "pass",
        "import dynamark.leaderboards.statistics as s; s.holm",
        "from dynamark.leaderboards import table",
        "dynamark.compare",
    ):
        code = f"import dynamark\n{first}\nprint(dynamark.leaderboard({str(tmp_path)!r}, published=False))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "no rows yet" in done.stdout


# Words that say how a value came to be, not what it holds (fields of published keys keep theirs).
TENSES = {"found", "held", "kept", "made", "told"}


def test_names_say_what_they_hold() -> None:
    sources = {*modules(), *(ROOT / "tests").rglob("*.py")}
    named = {
        f"{path.relative_to(ROOT)}:{line} {name}" for path in sources for line, name in _bound(path) if name in TENSES
    }
    assert not named


def _bound(path: Path) -> set[tuple[int, str]]:
    """The variables and parameters of a file, by line; fields of classes are left out."""
    tree = ast.parse(path.read_text())
    fields = {
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, (ast.AnnAssign, ast.Assign))
        for part in ast.walk(statement)
    }
    names = {node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)} - fields
    arguments = {node for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return {(node.lineno, node.id) for node in names} | {(node.lineno, node.arg) for node in arguments}


def test_scripts_of_ci_stand_on_the_library_and_not_on_the_command_line() -> None:
    scripts = [path for path in (ROOT / ".ci").iterdir() if path.read_text().startswith("#!/usr/bin/env python")]
    assert {path.name for path in scripts} >= {"publish", "submission"}
    assert [path.name for path in scripts if "dynamark.cli" in path.read_text()] == []
