"""`dynamark run SUITE`."""

from __future__ import annotations

import argparse
import re
from typing import Any

from dynamark.cli.options import add_engine, add_memory, add_timeout, add_workers

# The plan refuses more too; here before a list of them is made.
_MOST_SEEDS = 100_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add(
        "suite",
        metavar="SUITE",
        help="a suite or board (see `dynamark list suites` and `dynamark list boards`), or the path of a TOML file",
    )
    add(
        "--task",
        action="append",
        default=[],
        metavar="GLOB",
        help="only tasks whose name matches. A task not in the suite, path/tasks.py:Mine, runs with all its methods "
        "(repeatable)",
    )
    add(
        "--method",
        action="append",
        default=[],
        metavar="SPEC",
        help="run only this method (with the suite's hyper-parameters unless given). A method not in the suite runs on all "
        "its tasks. Formats: NAME, path/mine.py:Mine, 'path/mine.py:Mine(rank=8)', mine=path/mine.py:Mine (repeatable)",
    )
    add(
        "--seeds",
        type=_seeds,
        metavar="N",
        help="number of seeds (5 = seeds 0-4), or a list: 7-9 or 0,3,7-9 (default: set by the suite)",
    )
    add("--tier", metavar="TIER", help="tiny, standard or large (default: set by the suite)")
    add("--store", metavar="DIR", help="your results folder (default: $DYNAMARK_STORE or results/runs)")
    add_workers(parser)
    add_timeout(parser)
    add_memory(parser)
    add_engine(parser)
    add("--address", metavar="HOST:PORT", help="address of a running cluster, for an engine that has one")
    add("--device", choices=["cpu", "cuda"], default="cpu", help="device that methods run on (default: %(default)s)")
    add("--force", action="store_true", help="re-run cached runs")
    add("--retry-failed", action="store_true", help="re-run failed runs")
    add(
        "--refresh",
        choices=["environment"],
        help="environment: re-run cached runs that other versions of torch, NumPy, SciPy or numba made (default: only warn)",
    )
    add(
        "--salt",
        default="",
        metavar="S",
        help="any string, or - to read it from stdin: regenerate all data from other seeds (held-out evaluation)",
    )
    add(
        "--sandbox",
        action=argparse.BooleanOptionalAction,
        help="run methods without access to cache, results, other processes and network (default: with --salt, if possible)",
    )
    add("--shard", type=_shard, default=(1, 1), metavar="I/N", help="run only part I of N (1 <= I <= N)")
    add("--dry-run", action="store_true", help="run nothing; print the number of runs and the predicted hours")
    add(
        "--json",
        action="store_true",
        help="print JSON instead of the leaderboard: counts, failures and the results folder",
    )
    add("--quiet", action="store_true", help="print no leaderboard and no progress bar")
    _recording_arguments(parser)


def _recording_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group(
        "your own data", "Run the methods of SUITE on a recording instead of the tasks of SUITE."
    ).add_argument
    add(
        "--data",
        metavar="FILE",
        help="a CSV, Parquet, .npy or .npz file, or a folder that datasets.load_dataset reads. Split by time: 60%% training, "
        "20%% validation, 20%% test",
    )
    add(
        "--goal",
        choices=["forecast", "onestep", "attractor", "completion"],
        help="what to predict (default: what the methods of SUITE do)",
    )
    add("--channels", metavar="A,B", help="columns to predict (default: all that have no other role)")
    add("--inputs", metavar="U,V", help="columns of known inputs (default: none)")
    add("--time", metavar="COLUMN", help="column of times (default: the first column, if it rises in equal steps)")
    add("--trajectory", metavar="COLUMN", help="column that names the trajectory of each row, if there are several")
    add("--dt", type=float, metavar="T", help="time between samples (default: that of the time column, or 1)")
    add("--context", type=int, metavar="N", help="samples given before a forecast (default: half of the test part)")
    add("--horizon", type=int, metavar="N", help="samples to forecast (default: a quarter of the test part)")
    add("--period", type=int, metavar="N", help="samples of a season; 1 for none (default: found in the training part)")
    add("--rank", type=int, metavar="R", help="bound on the rank, for --goal completion (default: none)")
    add("--name", metavar="NAME", help="name of the recording in tables (default: the name of the file)")


def _seeds(text: str) -> int | list[int]:
    """A number of seeds, or a list of seeds and inclusive ranges."""
    if re.fullmatch(r"-?[0-9]{1,18}", text):
        return int(text)
    parts = [re.fullmatch(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", part) for part in text.split(",")]
    spans = [range(int(part[1]), int(part[2] or part[1]) + 1) for part in parts if part]
    if not (all(spans) and all(parts)):
        raise argparse.ArgumentTypeError(f"invalid seeds '{text}': expected 5 (seeds 0-4), 7-9 or 0,3,7-9")
    if sum(map(len, spans)) > _MOST_SEEDS:
        raise argparse.ArgumentTypeError(f"invalid seeds '{text}': expected at most {_MOST_SEEDS} of them")
    return [seed for span in spans for seed in span]


def _shard(text: str) -> tuple[int, int]:
    part = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if part is None:
        raise argparse.ArgumentTypeError(f"invalid shard '{text}': expected I/N with 1 <= I <= N")
    return int(part[1]), int(part[2])


_OPTIONS = ("goal", "channels", "inputs", "time", "trajectory", "dt", "context", "horizon", "period", "rank", "name")


def _recording(args: argparse.Namespace) -> list[Any]:
    """The task of --data, as a list; empty without --data. Prints what was read."""
    from dynamark.cli.output import note
    from dynamark.errors import UserError

    options = {name: getattr(args, name) for name in _OPTIONS if getattr(args, name) is not None}
    if args.data is None:
        if options:
            raise UserError(f"--{next(iter(options))} describes a recording; give its file: --data FILE")
        return []
    from dynamark.runners.plan.complete import load_named
    from dynamark.runners.plan.expand import kinds_of
    from dynamark.runners.recordings import goal_of
    from dynamark.tasks.recorded.factory import recorded

    for name in ("channels", "inputs"):
        if name in options:
            options[name] = tuple(column.strip() for column in options[name].split(","))
    if "goal" not in options:
        options["goal"] = goal_of(args.suite, kinds_of(load_named(args.suite)))
    task = recorded(args.data, **options)
    if not args.quiet:
        for line in task.summary().splitlines():
            note(line)
    return [task]


def main(args: argparse.Namespace) -> int:
    """Run a suite and print its leaderboard. Exit code: 0, 4 when runs failed, 130 when interrupted."""
    from dynamark.cli.interruption import end_gracefully
    from dynamark.cli.output import as_json, note, print_failures, say
    from dynamark.cli.salt import secret
    from dynamark.runners.run import run

    recording = _recording(args)
    end_gracefully("interrupted; finished runs are saved, run the same command to resume")
    report = run(
        args.suite,
        task=[*args.task, *recording],
        method=args.method,
        seeds=args.seeds,
        tier=args.tier,
        store=args.store,
        workers=args.workers,
        timeout=args.timeout,
        memory_gb=args.memory_gb,
        engine=args.engine,
        address=args.address,
        device=args.device,
        force=args.force,
        retry_failed=args.retry_failed,
        refresh=args.refresh,
        salt=secret(args.salt),
        sandbox=args.sandbox,
        shard=args.shard,
        progress=not (args.quiet or getattr(args, "verbose", 0)),
        dry_run=args.dry_run,
    )
    if args.json:
        say(as_json(report.to_dict()))
        return 4 if report.failures else 0
    if not args.quiet and not args.dry_run:
        from dynamark.leaderboards.assemble import leaderboard
        from dynamark.leaderboards.board_text import board_text

        boards = [] if recording else leaderboard(report.store).boards
        board = next((b for b in boards if b.board.name == args.suite), None)
        say(board_text([board], "terminal") if board else leaderboard(report.store, published=False, keys=report.keys))
    for task, method, reason in report.plan.not_applicable:
        note(f"skipped: {method} on {task}: it {reason}")
    print_failures(report.failures)
    if args.salt and sum(report.statuses.values()) and not report.sandbox:
        note("no sandbox: a method that tries to could read the salt in the results folder (see docs/limits.md)")
    if report.warning:
        note(f"warning: {report.warning}")
    note(report.summary)
    return 4 if report.failures else 0
