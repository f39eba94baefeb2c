"""The key that identifies a run, and the digest that identifies the source of a method.

The key is the same from a plan and from a row. It holds everything that may change the scores and nothing else: never
workers, limits, paths, order, or the data's digest (a plan must not generate data).
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import json
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dynamark.folders import cache_folder
from dynamark.results.syntax import code_digest

__all__ = ["FOREIGN", "canonical", "imported_modules", "in_package", "run_key", "source_digest", "source_files"]

KEY_VERSION = 4  # 3: methods see standardized data; 4: words are not digested

# Prefix of the source digest of a task that does not ship with dynamark.
FOREIGN = "own:"

_IN_KEY = (
    "kind",
    "task",
    "task_version",
    "task_fields",
    "salt",
    "method",
    "method_fields",
    "method_source",
    "seed",
    "budget",
    "device",
)

# What every method, task or experiment imports: its changes are named by versions, not by digests.
_VOCABULARY = {
    "dynamark",
    "dynamark.errors",
    "dynamark.folders",
    "dynamark.methods.fields",  # it refuses values, and changes none
    "dynamark.tasks.base",
    "dynamark.tasks.problems",
}


def canonical(value: Any) -> str:
    """JSON text with sorted names and no spaces: equal values give equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def run_key(row: Mapping[str, Any]) -> str:
    """The key of a run: sha256 of the columns of a row (or of a planned run) that identify it."""
    identity = {name: row[name] for name in _IN_KEY}
    # A task of dynamark says by its version that its meaning changes; one from elsewhere may change at any time.
    if str(source := row.get("task_source", "")).startswith(FOREIGN):
        identity["task_source"] = source
    return hashlib.sha256(canonical([KEY_VERSION, identity]).encode()).hexdigest()


def source_digest(file: Path) -> str:
    """Digest of the syntax trees of a module and all modules that it imports, except the standard library and installed packages.

    Comments, docstrings, messages and names of local variables do not change the digest (see `syntax`); the code of imported
    helper modules does.
    """
    digests = {name: digest for name, (_, digest) in _sources(file).items()}
    return hashlib.sha256(canonical(sorted(digests.items())).encode()).hexdigest()


def source_files(file: Path) -> dict[str, Path]:
    """The files behind a source digest, by their names in it: paths relative to the folder of the file or of its package."""
    return {name: path for name, (path, _) in _sources(file).items()}


def imported_modules(file: Path) -> tuple[set[str], list[Path]]:
    """Dotted names of what the files behind a source digest import from elsewhere; and these files."""
    sources = _sources(file)
    files = [path for path, _ in sources.values()]
    own = {Path(name).parts[0].removesuffix(".py") for name in sources}
    lines = [line for path in files for line in _parsed(path)[1] if not int(line[0])]
    dotted = {".".join(filter(None, (module, name))) for _, module, *names in lines for name in names or [""]}
    return {name for name in dotted if name.partition(".")[0] not in own}, files


def _sources(file: Path) -> dict[str, tuple[Path, str]]:
    """A module and all modules that it imports and that may change, each with the digest of its syntax tree."""
    seen: dict[str, tuple[Path, str]] = {}
    waiting = [(file, *_package(file))]
    while waiting:
        path, root, package = waiting.pop()
        name = str(path.relative_to(root))
        if name in seen:
            continue
        digest, imported = _parsed(path)
        seen[name] = path, digest
        waiting.extend(_elsewhere(imported, package))
        # Taken first: a module beside a lone file, and not one of its name elsewhere that the path happens to hold.
        waiting.extend((other, root, package) for other in _within(imported, path, root, package))
    _remember()
    return seen


def in_package(file: Path) -> bool:
    """Whether a file is part of a package, and not a lone module."""
    return _package(file)[1] is not None


def _package(file: Path) -> tuple[Path, str | None]:
    """The folder that holds the file's outermost package, and its name; for a lone file its folder and None."""
    folder, name = file.parent, None
    while (folder / "__init__.py").is_file():
        folder, name = folder.parent, folder.name
    return folder, name


def _within(imported: list[list[str]], path: Path, root: Path, package: str | None) -> Iterator[Path]:
    """The files of the same package (or, for a lone file, of the same folder) behind these imports."""
    here = path.relative_to(root).parts[:-1]
    # The files of dynamark itself do not come and go while it runs; looking for them takes most of the time of planning.
    behind = _settled if package == "dynamark" else _behind
    for line in imported:
        yield from behind(tuple(line), here, root, package)


def _behind(line: tuple[str, ...], here: tuple[str, ...], root: Path, package: str | None) -> list[Path]:
    """The files behind one import in a module of the folder `here`."""
    level, module, *names = line
    base = here[: len(here) - int(level) + 1] if int(level) else ()
    parts = [*base, *module.split(".")] if module else list(base)
    if package is not None and parts[:1] != [package]:
        return []
    files = []
    for candidate in ([*parts, name] for name in [*names, ""]):
        dotted = [part for part in candidate if part]
        if ".".join(dotted) in _VOCABULARY or not dotted:
            continue
        target = root.joinpath(*dotted)
        if target.with_suffix(".py").is_file():
            files.append(target.with_suffix(".py"))
        elif (target / "__init__.py").is_file():
            files.append(target / "__init__.py")
    return files


_settled = functools.cache(_behind)


def _elsewhere(imported: list[list[str]], package: str | None) -> Iterator[tuple[Path, Path, str]]:
    """The files of other packages behind absolute imports, each with the folder and the name of its package.

    Those of an editable install or of another folder on the path: their code may change between two runs.
    """
    for level, module, *names in imported:
        top = module.split(".")[0]
        if int(level) or top in (package, "dynamark", "") or (root := _changeable(top)) is None:
            continue
        yield from ((path, root, top) for path in _within([["0", module, *names]], root / "here.py", root, top))


# Packages that were seen to be installed: looking them up again and again would take longer than all the rest.
_installed: set[str] = set()


def _changeable(top: str) -> Path | None:
    """The folder that holds a top-level module which is neither built in, nor of the standard library, nor installed."""
    if top in sys.stdlib_module_names or top in _installed:
        return None
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    path = Path(spec.origin)
    installed = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib")}
    if any(folder in path.parents for folder in installed) or "site-packages" in path.parts:
        _installed.add(top)
        return None
    return path.parent.parent if path.name == "__init__.py" else path.parent


# Parsing takes milliseconds a file, so what was seen is kept by path, time and size, in memory and on disk.
_known: dict[str, list[Any]] | None = None
_changed = False


def _parsed(path: Path) -> tuple[str, list[list[str]]]:
    global _changed
    known = _recall()
    stat = path.stat()
    # An edit that keeps size and time still changes the time of change, or the file.
    stamp = [stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev, stat.st_size, KEY_VERSION]
    entry = known.get(str(path))
    if entry is None or entry[0] != stamp:
        tree = ast.parse(path.read_bytes())
        imports = _imports(tree)
        entry = [stamp, code_digest(tree), imports]
        known[str(path)] = entry
        _changed = True
    return entry[1], entry[2]


def _imports(tree: ast.Module) -> list[list[str]]:
    """Each import as [level, module, name...]; those inside functions count too."""
    imports = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            imports.append([str(node.level), node.module or "", *(alias.name for alias in node.names)])
        elif isinstance(node, ast.Import):
            imports.extend(["0", alias.name] for alias in node.names)
    return imports


def _recall() -> dict[str, list[Any]]:
    global _known
    if _known is None:
        _known = _read_sources()
    return _known


def _read_sources() -> dict[str, list[Any]]:
    """What was remembered on disk, if it is whole; nothing otherwise."""
    try:
        content = json.loads((cache_folder() / "sources.json").read_bytes())
        entries = content["entries"]
        whole = isinstance(entries, dict) and content["sha256"] == _sum(entries)
        return entries if whole else {}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}


def _sum(entries: Any) -> str:
    return hashlib.sha256(canonical(entries).encode()).hexdigest()


def _remember() -> None:
    global _changed
    if not _changed:
        return
    _changed = False
    path = cache_folder() / "sources.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{id(path)}.tmp")
        beside.write_text(json.dumps({"sha256": _sum(_known), "entries": _known}))
        beside.replace(path)
    except OSError:
        pass  # the cache saves milliseconds; without a writable folder nothing else changes
