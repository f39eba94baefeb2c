"""The process in which plug-ins are imported and built: it answers the questions of `runners/probe.py` until its input ends."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any, BinaryIO

from dynamark.errors import UserError
from dynamark.runners import probe, registry
from dynamark.runners.execute.channels import die_with_parent
from dynamark.runners.spec import Spec

__all__: list[str] = []


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    sys.path += [folder for folder in question["path"] if folder not in sys.path]
    try:
        if question["verb"] == "method":
            method = registry.described(question["kind"], Spec(**question["spec"]), question["choose"])
            return {**vars(method), "preset": sorted(method.preset), "abilities": sorted(method.abilities)}
        if question["verb"] == "pickles":
            return {"reason": registry.unpicklable(question["target"], question["fields"])}
        if question["verb"] == "task":
            registry.resolve_task(Spec(**question["spec"]), question["tier"], question["salt"])
        else:
            registry.load(question["target"], question["kind"])
    except UserError as error:
        return {"refused": str(error)}
    return {}


def _serve(questions: BinaryIO, answers: BinaryIO) -> None:
    for line in questions:
        answers.write(json.dumps(_answer(json.loads(line))).encode() + b"\n")
        answers.flush()


def main() -> None:
    """Answer over the standard output, which plug-ins that print do not reach."""
    with contextlib.suppress(OSError, AttributeError):  # on Linux only
        die_with_parent()
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(nothing, fd)
    sys.stdin, sys.stdout = open(os.devnull), open(os.devnull, "w")  # noqa: PTH123, SIM115
    probe.inside()
    _serve(questions, answers)


if __name__ == "__main__":
    main()
