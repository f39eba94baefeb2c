"""Fitting a cohort and asking its models: the only code that runs a method. It is handed problems, never tasks."""

from __future__ import annotations

import dataclasses
import errno
import gc
import random
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dynamark.errors import clean
from dynamark.results.schema import LOST
from dynamark.runners.execute import wire
from dynamark.runners.execute.answers import Answer, BadAnswer, ask
from dynamark.runners.execute.clock import seconds
from dynamark.runners.execute.ending import ANSWERED, how_it_ended
from dynamark.runners.execute.scorer import measure
from dynamark.runners.execute.tuning import Candidate, Fitted, tuned
from dynamark.runners.execute.units import bare, restored, standardized, units_of
from dynamark.runners.foreign.child import Died, ForeignError
from dynamark.runners.foreign.proxy import versions
from dynamark.runners.foreign.target import is_env
from dynamark.runners.registry import MissingFile, load
from dynamark.runners.spec import candidates, halved
from dynamark.tasks.contract import accepted, resting
from dynamark.tasks.criteria import Criterion
from dynamark.tasks.problems import KINDS, ForecastingQuery, Run

__all__ = ["Failure", "failure", "is_infrastructure", "seed_everything", "solve", "steady", "work"]

# What a full, failing or vanished file system answers.
_INFRASTRUCTURE = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ESTALE, errno.ENFILE}


@dataclass
class Failure:
    """Why a cohort left nothing."""

    status: str
    reason: str
    costs: dict[str, float] = field(default_factory=dict)


def solve(
    methods: Sequence[Any],
    problems: list[Any],
    entropies: list[list[int]],
    *,
    budget: int | None = None,
    device: str = "cpu",
    on_progress: Callable[[int, int], None] | None = None,
    criterion: Criterion | None = None,
    share: int = 1,
) -> list[Answer]:
    """Fit all members together where the method can, ask each model its query, and time both.

    methods: the method; where fields are to be chosen, once for each candidate: all are fitted, and all count in the time.
    criterion, share: by what a candidate is judged, and the part of the budget that it gets, one in so many.
    """
    shortest = max((least for m in methods if (least := getattr(m, "shortest", None)) is not None), default=None)
    settled = [accepted(_on_device(problem, torch.device(device)), shortest) for problem in problems]
    hidden = [dataclasses.replace(problem, query=None) for problem in settled]

    def fresh(place: int, budget: int | None) -> Run:
        return Run(entropies[place], torch.device(device), budget, None if place else on_progress)

    start = seconds(device)
    competed: list[list[Candidate]] = [[] for _ in problems]
    if len(methods) == 1:
        fitted = _fit(methods[0], hidden, [fresh(place, budget) for place in range(len(problems))])
    else:
        outcome = tuned(_fit, methods, hidden, fresh, budget, criterion or {"name": "relative_error"}, share)
        fitted, competed = outcome.fitted, outcome.candidates
    fit_seconds = (seconds(device) - start) / len(problems)
    answers = []
    for (model, run), problem, own in zip(fitted, settled, competed, strict=True):
        start = seconds(device)
        arrays = ask(model, _posed(problem, methods[0]), run)
        costs = (fit_seconds, seconds(device) - start, parameter_count(bare(model)), run.steps)
        answers.append(Answer(arrays, run.curves, run.facts, *costs, [vars(candidate) for candidate in own]))
    return answers


def _posed(problem: Any, method: Any) -> Any:
    """The problem as the models of a method are asked it: one that cannot start from rest sees a sample at rest."""
    query = problem.query
    if not isinstance(query, ForecastingQuery) or getattr(method, "from_rest", False):
        return problem
    rollouts = {name: replace(rollout, context=resting(rollout.context)) for name, rollout in query.rollouts.items()}
    return replace(problem, query=replace(query, rollouts=rollouts))


def _fit(method: Any, problems: list[Any], runs: list[Run]) -> Fitted:
    """The model of each member, with its run: fitted in the units that the method wants, answering in the data's own."""
    units = [units_of(method, problem) for problem in problems]
    seen = [standardized(problem, own) for problem, own in zip(problems, units, strict=True)]
    fitted = _fit_in_units(method, seen, runs)
    kind = type(problems[0])
    return [(restored(model, own, kind), run) for (model, run), own in zip(fitted, units, strict=True)]


def _fit_in_units(method: Any, problems: list[Any], runs: list[Run]) -> Fitted:
    """One call for all members where the method has one."""
    single, plural = KINDS[type(problems[0])]
    fit_all = getattr(method, plural, None)
    if fit_all is None:
        fit = getattr(method, single)
        return [(fit(problem, run), run) for problem, run in zip(problems, runs, strict=True)]
    # A cohort of one is run as two, the second a copy: batched kernels of one and of several round differently.
    copies = [Run(run.entropy, run.device, run.budget) for run in runs[:1]] if len(runs) == 1 else []
    models = list(fit_all([*problems, *problems[: len(copies)]], [*runs, *copies]))
    if len(models) != len(runs) + len(copies):
        raise BadAnswer(f"{plural} returned {len(models)} models for {len(runs) + len(copies)} problems")
    return list(zip(models, runs, strict=False))


def _on_device(value: Any, device: torch.device) -> Any:
    """The same problem with every tensor on `device`."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, Mapping):
        return {key: _on_device(part, device) for key, part in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: _on_device(getattr(value, f.name), device) for f in dataclasses.fields(value)}
        return type(value)(**parts)
    return value


def parameter_count(model: Any) -> int | None:
    """Floats that a model needs to answer: what it says itself, or the parameters of its torch module."""
    own = getattr(model, "parameter_count", None)
    if own is not None:
        count = own() if callable(own) else own
        return None if count is None else int(count)
    parameters = getattr(model, "parameters", None)
    if not callable(parameters):
        return None
    tensors = parameters()
    return sum(p.numel() for p in tensors) if isinstance(tensors, Iterable) else None


def failure(error: BaseException) -> Failure:
    """The row's status and reason for an exception of a method."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in _text(error):
        return Failure("out_of_memory", "the method asked for more memory than the limit allows")
    if is_infrastructure(error):
        assert isinstance(error, OSError)
        return Failure(LOST, f"{error.strerror or type(error).__name__}: {error.filename or 'a file'}")
    if isinstance(error, Died):
        return Failure("crashed", how_it_ended(error.code))
    if isinstance(error, ForeignError):
        return Failure("error", str(error)[:600])
    if isinstance(error, MissingFile):
        return Failure(LOST, str(error))
    text = (_text(error).strip() or type(error).__name__).splitlines()[0]
    name = "" if isinstance(error, BadAnswer) else f"{type(error).__name__}: "
    return Failure("error", f"{name}{text}"[:400] + _place(error))


def _place(error: BaseException) -> str:
    """Where an exception comes from: the last line of the author's own file, else of a method or task of ours."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/dynamark/runners/" not in f.filename]
    libraries = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), "<")
    ours = [f for f in frames if not f.filename.startswith(libraries)] or frames
    chosen = [f for f in ours if "/dynamark/" not in f.filename] or ours
    return f" ({Path(chosen[-1].filename).name}:{chosen[-1].lineno})" if chosen else ""


def _text(error: BaseException) -> str:
    """What an exception says; what it raises while saying it is not ours to raise."""
    try:
        return clean(str(error))
    except Exception:
        return ""


def steady() -> None:
    """One thread and deterministic kernels: the bits of a run must not depend on the machine's load or size."""
    torch.set_num_threads(1)
    # As torch.use_deterministic_algorithms(True, warn_only=True), which would import torch's compiler: a second of CPU.
    torch.set_deterministic_debug_mode("warn")


def is_infrastructure(error: BaseException) -> bool:
    """Whether an error is of the machine (a full or failing disk) and not of the code that met it."""
    return isinstance(error, OSError) and error.errno in _INFRASTRUCTURE


def seed_everything(entropies: Sequence[Sequence[int]]) -> None:
    """Seed the global generators of torch, NumPy and `random`: a method that draws from them is reproducible all the same."""
    words = np.random.SeedSequence([word for entropy in entropies for word in entropy]).generate_state(4)
    random.seed(words.tobytes())
    np.random.seed(words)  # noqa: NPY002  # the generator that strangers use
    torch.manual_seed(int(words[0]) << 32 | int(words[1]))


def work(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """In a fresh process: read problems and solve them, or measure; leave the answers in the folder, and say how it went."""
    steady()
    seed_everything(job["entropies"])
    try:
        answers = _answers(folder, job)
    except Died as died:  # the supervisor sees how
        died.follow()
    except BaseException as error:
        cause = failure(error)
        del error
        gc.collect()  # room to say the reason in
        return {"status": cause.status, "reason": cause.reason}
    try:
        wire.write(folder / "answers", answers)
    except OSError as error:
        if error.errno == errno.EFBIG:
            return {"status": "error", "reason": "the answers are larger than the limit of a file"}
        return {"status": LOST, "reason": f"the answers could not be written: {error.strerror}"}
    except Exception as error:
        cause = failure(error)
        return {"status": cause.status, "reason": cause.reason}
    return {"status": ANSWERED, **({"versions": versions(job["method"])} if is_env(job["method"]) else {})}


def _answers(folder: Path, job: dict[str, Any]) -> list[dict[str, Any]]:
    cls = load(job["method"], "method")
    methods = [cls(**fields) for fields in candidates(job["fields"])]
    if job["experiment"]:
        return [measure(methods[0], words, job["device"]) for words in job["entropies"]]
    problems = wire.read(folder / "problems")
    answers = solve(
        methods,
        problems,
        job["entropies"],
        budget=job["budget"],
        device=job["device"],
        criterion=job["criterion"],
        share=halved(job["fields"]),
    )
    return [vars(answer) for answer in answers]
