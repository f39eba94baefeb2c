"""The commit at which a method became worse on a task: `git bisect run` in a scratch clone, judged by the gate's own test."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from dynamark.errors import UserError, one_line
from dynamark.leaderboards.gate.compare import compare

_log = logging.getLogger(__name__)

__all__ = ["Bisection", "Question", "Step", "bisect", "step"]

_BAD = ("failed", "worse", "slower")
_UNKNOWN = ("incomparable", "missing")

# What `git bisect run` takes for: good, bad, cannot be tested.
_GOOD_CODE, _BAD_CODE, _SKIP_CODE = 0, 1, 125

_COMMAND = (sys.executable, "-P", "-m", "dynamark")


@dataclass(frozen=True)
class Question:
    """What is run at each commit, and how it is judged: the options of `run` and `compare`.

    folder: the current folder below the top of the checkout. command: what runs dynamark.
    """

    method: str
    task: str
    tier: str = "standard"
    seeds: int = 5
    effect: float = 0.02
    slowdown: float = 1.6
    level: float = 0.01
    timeout: float = 600.0
    folder: str = "."
    command: tuple[str, ...] = _COMMAND


@dataclass(frozen=True)
class Step:
    """A commit that was tested: good, bad or skip, and why."""

    commit: str
    outcome: str
    detail: str


@dataclass(frozen=True)
class Bisection:
    """The tested commits in their order, and the first bad commit: several where some between could not be tested."""

    steps: tuple[Step, ...]
    first_bad: tuple[str, ...]


def bisect(question: Question, good: str, bad: str, progress: Callable[[str], None] = lambda line: None) -> Bisection:
    """Name the commit between GOOD and BAD at which the method became worse, slower or failed.

    Every commit is checked out in a scratch clone and runs there with its own code, data cache and results; the work tree is
    not touched. `progress` gets one line per tested commit. Raises `UserError` if BAD is not worse than GOOD.
    """
    top = Path(_git(Path.cwd(), "rev-parse", "--show-toplevel"))
    question = replace(question, folder=str(Path.cwd().resolve().relative_to(top.resolve())))
    first, last = (_commit(top, revision) for revision in (good, bad))
    if first == last or subprocess.run(_words(top, "merge-base", "--is-ancestor", first, last), check=False).returncode:
        raise UserError(f"{good} is not an ancestor of {bad}; give an older and a newer revision of the same branch")
    with tempfile.TemporaryDirectory(prefix="dynamark-bisect-") as scratch:
        return _searched(question, top, first, last, Path(scratch), progress)


def _searched(
    question: Question, top: Path, good: str, bad: str, scratch: Path, progress: Callable[[str], None]
) -> Bisection:
    clone = scratch / "clone"
    _git(top, "clone", "--quiet", "--shared", "--no-checkout", "--template=", str(top), str(clone))
    _git(clone, "config", "core.hooksPath", os.devnull)  # hooks of the user's own configuration
    (scratch / "question.json").write_text(json.dumps(asdict(question)))
    for commit, name in ((good, "good"), (bad, "bad")):
        _git(clone, "checkout", "--quiet", "--detach", commit)
        _measure(question, clone, scratch / name)
    outcome, detail = _judged(question, scratch / "good", scratch / "bad")
    if outcome != "bad":
        raise UserError(f"{_short(bad)} is not worse than {_short(good)}: {detail}; give other revisions or more seeds")
    progress(f"{_short(bad)} {outcome}: {detail}")
    steps = [Step(good, "good", "the reference"), Step(bad, outcome, detail)]
    if _git(clone, "rev-list", "--count", f"{good}..{bad}") == "1":
        return Bisection(tuple(steps), (bad,))
    _git(clone, "bisect", "start", bad, good)
    _drive(clone, scratch, progress)
    log = scratch / "steps.jsonl"
    steps += [Step(**json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []
    return Bisection(tuple(steps), _first_bad(_git(clone, "bisect", "log")))


def _drive(clone: Path, scratch: Path, progress: Callable[[str], None]) -> None:
    """Run `git bisect run`; report each step as it ends. An interruption ends the whole group of processes."""
    package = Path(__file__).resolve().parents[2] / "src"
    paths = [*([str(package)] if package.is_dir() else []), os.environ.get("PYTHONPATH", "")]
    environment = {**_environment(), "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    words = [sys.executable, "-P", "-m", "dynamark.leaderboards.gate.bisect", str(scratch)]
    process = subprocess.Popen(
        _words(clone, "bisect", "run", *words),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    said = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if line.startswith(_MARK):
                progress(line.removeprefix(_MARK).strip())
        code = process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        raise
    # 2: only commits that cannot be tested are left.
    if code not in (0, 2):
        raise UserError(f"git bisect failed: {one_line(' '.join(said[-3:]), 200)}; try other revisions")


_MARK = "dynamark bisect: "


def step(scratch: Path) -> int:
    """Test the commit that is checked out in the clone; the exit code that `git bisect run` expects."""
    stored = json.loads((scratch / "question.json").read_text())
    question = Question(**{**stored, "command": tuple(stored["command"])})
    clone = scratch / "clone"
    commit = _git(clone, "rev-parse", "HEAD")
    _measure(question, clone, scratch / commit)
    outcome, detail = _judged(question, scratch / "good", scratch / commit)
    with (scratch / "steps.jsonl").open("a") as log:
        log.write(json.dumps(asdict(Step(commit, outcome, detail))) + "\n")
    print(one_line(f"{_MARK}{_short(commit)} {outcome}: {detail}"), flush=True)
    return {"good": _GOOD_CODE, "bad": _BAD_CODE}.get(outcome, _SKIP_CODE)


def _measure(question: Question, clone: Path, store: Path) -> None:
    """Run the method on the task with the code that is checked out. Where that code cannot, the store stays empty."""
    store.mkdir()
    here = clone / question.folder
    here.mkdir(parents=True, exist_ok=True)
    suite = here / "dynamark-bisect.toml"  # paths in a suite are relative to it
    method, task = json.dumps([question.method]), json.dumps([question.task])
    suite.write_text(
        f'about = "bisect"\ntier = {json.dumps(question.tier)}\nseeds = {question.seeds}\n\n'
        f"[[runs]]\ntasks = {task}\nmethods = {method}\n"
    )
    _log.info("running %s on %s for %s", question.method, question.task, store.name)
    environment = _environment()
    # A generator that changed without a new version would be hidden by data of another commit.
    environment["DYNAMARK_CACHE"] = str(store.with_suffix(".cache"))
    if (clone / "src" / "dynamark").is_dir():  # a checkout of dynamark itself, not of a method
        environment["PYTHONPATH"] = os.pathsep.join([str(clone / "src"), environment.get("PYTHONPATH", "")])
    words = ["run", str(suite), "--store", str(store), "--quiet", "--timeout", str(question.timeout)]
    done = subprocess.run([*question.command, *words], cwd=here, env=environment, capture_output=True, text=True)
    said = done.stderr.strip().splitlines() or ["no output"]
    store.with_suffix(".txt").write_text(one_line(said[-1], 200))


def _judged(question: Question, base: Path, new: Path) -> tuple[str, str]:
    """Whether the gate finds NEW worse than BASE: good, bad or skip, and why."""
    for store in (base, new):
        if not any(store.iterdir()):
            return "skip", f"no results: {store.with_suffix('.txt').read_text()}"
    verdicts = compare(base, new, effect=question.effect, slowdown=question.slowdown, level=question.level).verdicts
    words = [(verdict.verdict, verdict.detail) for verdict in verdicts]
    for outcome, among in (("bad", _BAD), ("skip", _UNKNOWN)):
        if chosen := [f"{word}: {detail}" for word, detail in words if word in among]:
            return outcome, chosen[0]
    return "good", "; ".join(f"{word}: {detail}" for word, detail in words)


def _first_bad(log: str) -> tuple[str, ...]:
    """The first bad commit that a log of git bisect names; without one, all that it may be."""
    for start in ("# first bad commit", "# possible first bad commit"):
        if commits := re.findall(rf"^{start}: \[([0-9a-f]+)\]", log, re.MULTILINE):
            return tuple(commits)
    return ()


def _commit(top: Path, revision: str) -> str:
    try:
        return _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except UserError:
        raise UserError(
            f"{revision} is not a git revision of this checkout; give a commit, a branch or a tag"
        ) from None


def _short(commit: str) -> str:
    return commit[:10]


def _environment() -> dict[str, str]:
    """The environment without the variables by which git itself names a repository to its hooks."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def _words(folder: Path, *words: str) -> list[str]:
    return ["git", "-C", str(folder), *words]


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(_words(folder, *words), env=_environment(), capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise UserError("bisect needs git; install it") from None
    except subprocess.CalledProcessError as error:
        reason = one_line(error.stderr or str(error), 150)
        raise UserError(f"git {words[0]} failed: {reason}; run bisect in a git checkout") from None
    return done.stdout.strip()


def describe(commits: Sequence[str]) -> list[str]:
    """Each commit of this checkout as one line: digest, date and subject."""
    return [_git(Path.cwd(), "show", "--no-patch", "--format=%h %cs %s", commit) for commit in commits]


if __name__ == "__main__":
    sys.exit(step(Path(sys.argv[1])))
