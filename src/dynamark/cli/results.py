"""`dynamark results verify FILE`, `merge DIR DIR --store DIR`, `submit METHOD` and `carry OLD_REVISION`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from dynamark.cli import carry

    verbs = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    verify = verbs.add_parser("verify", help="verify results before they are published")
    verify.add_argument("files", nargs="+", metavar="FILE", help="a Parquet file from a results folder")
    verify.add_argument("--json", action="store_true", help="print JSON: each file with its problems")
    submit = verbs.add_parser("submit", help="check the results of a method and bundle them for a pull request")
    add = submit.add_argument
    add("method", metavar="METHOD", help="name of the method as in the leaderboard, for example mine.py:Mine")
    add("--by", required=True, metavar="NAME", help="who submits the results; shown in tables")
    add("--link", required=True, metavar="URL", help="https address of the method's source, at the commit that ran")
    add(
        "--store",
        action="append",
        default=[],
        metavar="DIR",
        help="your results folder (repeatable; default: $DYNAMARK_STORE or results/runs)",
    )
    add("--out", metavar="FILE", help="write to FILE (default: results/published/submitted--METHOD-DIGEST.parquet)")
    carry.arguments(verbs.add_parser("carry", help=carry.HELP, description=carry.DESCRIPTION))

    merge = verbs.add_parser("merge", help="merge results folders into one")
    merge.add_argument("folders", nargs="+", metavar="DIR", help="a results folder")
    merge.add_argument("--store", required=True, metavar="DIR", help="the folder to add them to")


def main(args: argparse.Namespace) -> int:
    """Verify, merge, submit or carry results; the exit code is 1 when there are any problems, else 0."""
    from dynamark.cli import carry

    return {"verify": _verify, "merge": _merge, "submit": _submit, "carry": carry.main}[args.what](args)


def _merge(args: argparse.Namespace) -> int:
    """Add the rows of all folders to one; of rows with one key, the one that finished last stays."""
    from dynamark.cli.output import note
    from dynamark.errors import UserError
    from dynamark.results.store import Store

    for folder in map(Path, args.folders):
        if not folder.is_dir():
            raise UserError(f"{folder} does not exist; give results folders")
    store = Store(args.store)
    for folder in args.folders:  # one after another: the largest folder has to fit into memory, not all of them
        store.put(Store(folder).rows().to_pylist())
    note(f"{len(store.rows(['key']))} results in {store.folder}")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from dynamark.cli.output import as_json, note, say
    from dynamark.errors import UserError
    from dynamark.results.store import read_file
    from dynamark.results.verify import published_for
    from dynamark.runners.publishable import problems_of_file

    for file in map(Path, args.files):
        if not file.is_file():
            raise UserError(f"{file} does not exist; give a Parquet file from a results folder")
    files = {name: read_file(Path(name), None).to_pylist() for name in args.files}
    published = published_for([row for rows in files.values() for row in rows])  # read once for all files
    checked: list[dict[str, Any]] = [
        {"file": name, "rows": len(rows), "problems": problems_of_file(rows, published)} for name, rows in files.items()
    ]
    if args.json:
        say(as_json(checked))
    for entry in [] if args.json else checked:
        say(f"{'FAIL' if entry['problems'] else 'ok  '}  {entry['file']}: {entry['rows']} rows")
        for problem in entry["problems"]:
            note(f"      {problem}")
    return 1 if any(entry["problems"] for entry in checked) else 0


def _submit(args: argparse.Namespace) -> int:
    from collections import Counter

    from dynamark.cli.output import note, say
    from dynamark.results.store import default_store
    from dynamark.results.submission import bundle, collect, earlier, file_name
    from dynamark.runners.publishable import problems_of_file

    rows = collect(args.method, args.store or [default_store()], args.by, args.link)
    if problems := problems_of_file(rows):
        for problem in problems:
            note(problem)
        note(f"not written: {len(problems)} problems")
        return 1
    path = Path(args.out or Path("results") / "published" / file_name(rows))
    bundle(rows, path)
    say(f"wrote {path}: {len(rows)} runs of {args.method}, source {rows[0]['method_source'][:16]}, from {args.link}")
    for suite, count in sorted(Counter(row["suite"] for row in rows).items()):
        say(f"  {count} runs of {suite}")
    for name in ("processor", "torch", "numpy", "scipy", "numba"):
        say(f"  {name}: {', '.join(sorted({str(row['provenance'][name] or 'none') for row in rows}))}")
    for other in earlier(path):
        say(f"remove {other}: an earlier version of the method")
    say("run .ci/fresh --write, and open a pull request with this file and leaderboard/README.md; see CONTRIBUTING.md")
    return 0
