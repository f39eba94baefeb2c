"""`dynamark slurm SUITE --hours H > job.sh`."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("suite", metavar="SUITE", help="a suite or board, or the path of a TOML file")
    add("--hours", type=float, required=True, metavar="H", help="time limit of each task of the job array, in hours")
    add("--cores", type=int, default=8, metavar="N", help="cores per task of the array (default: %(default)s)")
    add("--memory-gb", type=float, default=4.0, metavar="G", help="memory per core in GiB (default: %(default)g)")
    add("--method", action="append", default=[], metavar="SPEC", help="run only this method (repeatable)")
    add("--task", action="append", default=[], metavar="GLOB", help="only tasks whose name matches (repeatable)")
    add("--store", metavar="DIR", help="results folder, on a file system that all nodes share")


def main(args: argparse.Namespace) -> int:
    """Print the script of a job array whose shards fit into the hours."""
    from dynamark.cli.output import note, say
    from dynamark.errors import UserError
    from dynamark.runners.objects import specs_of
    from dynamark.runners.plan.cohorts import cohorts
    from dynamark.runners.plan.complete import load_named
    from dynamark.runners.plan.expand import expand
    from dynamark.runners.plan.hours import Seconds
    from dynamark.runners.plan.slurm import array, script

    for name, value, most in (("cores", args.cores, 1000), ("memory-gb", args.memory_gb, 1e6)):
        if not 0 < value <= most:
            raise UserError(f"invalid --{name} {value:g}: expected a number greater than 0, at most {most:g}")
    task, method = specs_of(args.task, "task"), specs_of(args.method, "method")
    groups = cohorts(expand(load_named(args.suite), task=task, method=method).runs)
    predicted = Seconds()
    known = [[predicted.of(run) for run in cohort.runs] for cohort in groups]
    seconds = [sum(one or 0.0 for one in runs) for runs in known]
    jobs = array(seconds, args.hours, args.cores)
    words = [args.suite, *(w for spec in args.task for w in ("--task", spec))]
    words += [w for spec in args.method for w in ("--method", spec)]
    words += ["--store", args.store] if args.store else []
    say(script(args.suite, words, jobs.shards, args.hours, args.cores, args.memory_gb).rstrip())
    unknown = sum(one is None for runs in known for one in runs)
    note(
        f"{sum(map(len, known))} runs in {jobs.shards} shards, the longest about {jobs.longest / 3600:.2g} hours"
        + (f"; {unknown} runs without a prediction" if unknown else "")
    )
    if not jobs.fits:
        note(f"the longest shard is predicted not to fit into {args.hours:g} hours; raise --hours, or submit it again")
    return 0
