"""Which scores of closed-form methods follow the BLAS: every such method on every noise-free task, under several settings.

Run: OMP_NUM_THREADS=1 PYTHONPATH=src python tests/benchmarks/blas.py [--tier tiny] [--seeds 0] [GLOB ...]
Lists each score whose skill moves by more than 1 % between settings; exit code 1 if there is one.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

# What MKL, OpenBLAS and ATen may choose by the processor; the first setting leaves them free.
SETTINGS: tuple[Mapping[str, str], ...] = (
    {},
    {"MKL_CBWR": "COMPATIBLE", "OPENBLAS_CORETYPE": "Prescott", "ATEN_CPU_CAPABILITY": "default"},
    {"MKL_CBWR": "AVX2", "OPENBLAS_CORETYPE": "Haswell", "ATEN_CPU_CAPABILITY": "avx2"},
)
METHODS: Mapping[str, tuple[str, ...]] = {
    "lds": ("fir", "arx", "real_poles", "spectral_filtering", "spectral_arx", "wedge_filtering", "era", "n4sid"),
    "koopman": (
        *("dmd", "hankel_dmd", "optdmd", "edmd", "mpedmd", "resdmd", "rrr", "pcr", "nystroem", "poly_increment"),
        *("ngrc", "sindy"),
    ),
    "chaos": ("dmd", "edmd", "poly_increment", "ngrc", "esn", "sindy"),
}
_MOVED = 0.01


def skills(task_name: str, tier: str, seeds: list[int], names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The skill of each method and seed in this process; methods that refuse the task are left out."""
    from dynamark.errors import UserError
    from dynamark.leaderboards.statistics import skill
    from dynamark.runners.registry import resolve_method, resolve_task
    from dynamark.runners.spec import parse
    from dynamark.tasks.problems import Run

    task = resolve_task(parse(task_name), tier)
    for name in names:
        method = resolve_method(parse(name)).build()
        for seed in seeds:
            problem, run = task.problem(seed), Run((seed,))
            fit = getattr(method, "fit_forecaster" if task.kind.__name__ == "Forecasting" else "fit_predictor", None)
            if fit is None:
                continue
            try:
                score = task.score(answers(fit(problem, run), problem), seed).values[task.primary.name]
            except (UserError, KeyError):
                continue
            oracle, lower = task.oracle(seed), task.primary.lower_is_better
            if oracle is None:  # a recording: there is no skill
                continue
            value = float(skill(score, task.baseline(seed), oracle, task.floor, task.log_scale, lower))
            yield {"task": task_name, "method": name, "seed": seed, "score": float(score), "skill": value}


def answers(model: Any, problem: Any) -> dict[str, Any]:
    """What the query asks that the primary score needs."""
    query, by_name = problem.query, {}
    if hasattr(query, "rollouts"):
        for name, rollout in query.rollouts.items():
            by_name[f"forecast.{name}"] = model.forecast(rollout.context, rollout.horizon, rollout.inputs).numpy()
        if not query.rollouts and hasattr(model, "eigenvalues"):
            by_name["eigenvalues"] = model.eigenvalues().numpy()
            by_name["eigenfunctions"] = model.eigenfunctions(query.points).numpy()
    else:
        by_name["prediction"] = model.predict(query.sequences, query.horizons).numpy()
    return by_name


def noise_free(tier: str) -> list[str]:
    """Tasks of these families whose oracle is exact."""
    from dynamark.runners.registry import resolve_task
    from dynamark.runners.spec import Spec
    from dynamark.tasks.catalog import TASKS

    chosen = []
    for name in TASKS:
        task = resolve_task(Spec(name), tier)
        exact = name.startswith("chaos/") or (
            task.family in METHODS and task.kind.__name__ in {"Forecasting", "Prediction"}
        )
        if exact and getattr(task, "noise", None) in (None, 0, "n0") and task.unavailable is None:
            chosen.append(name)
    return chosen


def measured(
    task: str, arguments: argparse.Namespace, setting: Mapping[str, str]
) -> dict[tuple[str, int], dict[str, Any]]:
    """The rows of one task in a fresh process under one setting."""
    command = [sys.executable, __file__, "--tier", arguments.tier, "--seeds", arguments.seeds, "--inside", task]
    if arguments.methods:
        command += ["--methods", arguments.methods]
    done = subprocess.run(command, env={**os.environ, **setting}, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {(row["method"], row["seed"]): row for row in rows}


def moved(task: str, arguments: argparse.Namespace) -> Iterator[str]:
    """The scores of a task that follow the BLAS, as lines."""
    tables = [measured(task, arguments, setting) for setting in SETTINGS]
    for run in sorted(set.intersection(*(set(table) for table in tables))):
        rows = [table[run] for table in tables]
        values = [row["skill"] for row in rows]
        if all(math.isfinite(v) for v in values) and max(values) - min(values) > _MOVED:
            scores = ", ".join(f"{row['score']:.3g}" for row in rows)
            yield f"{task} {run[0]} seed {run[1]}: {scores} (skill {min(values):.3f} to {max(values):.3f})"


def main() -> int:
    """Measure, or in a child process print the rows of one task."""
    parser = argparse.ArgumentParser()
    parser.add_argument("globs", nargs="*")
    parser.add_argument("--tier", default="tiny")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--methods", default="", help="instead of all closed-form ones of the family")
    parser.add_argument("--inside")
    arguments = parser.parse_args()
    if arguments.inside:
        names = tuple(filter(None, arguments.methods.split(","))) or METHODS[arguments.inside.split("/")[0]]
        for row in skills(arguments.inside, arguments.tier, [int(k) for k in arguments.seeds.split(",")], names):
            print(json.dumps(row), flush=True)
        return 0
    from dynamark.runners.spec import Spec

    worst = 0
    for task in noise_free(arguments.tier):
        if not arguments.globs or any(Spec(task).matches(glob) for glob in arguments.globs):
            for line in moved(task, arguments):
                print(line, flush=True)
                worst = 1
    return worst


if __name__ == "__main__":
    sys.exit(main())
