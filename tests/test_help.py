"""The help of every verb has an example that its own parser accepts; JSON, verbosity and completion are the same everywhere."""

from __future__ import annotations

import argparse
import json
import logging
import os
import pty
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stored import fill, row
from support import FAULTY, LINE, write_suite

from dynamark.cli import VERBS, main, parser_of
from dynamark.cli.examples import EXAMPLES, leaves
from dynamark.cli.output import as_json
from dynamark.results.store import Store


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each verb, by the words that call it."""
    (verbs,) = (a for a in parser_of(None)._actions if isinstance(a, argparse._SubParsersAction))
    return dict(leaf for name, verb in verbs.choices.items() for leaf in leaves(verb, name))


def test_every_verb_has_one_example_that_it_accepts() -> None:
    assert set(EXAMPLES) == set(parsers())
    assert {name.split()[0] for name in EXAMPLES} == set(VERBS)
    for name, parser in parsers().items():
        text = " ".join(parser.format_help().split())
        assert text.count("Example: ") == 1, name
        words = shlex.split(EXAMPLES[name].removeprefix("source <(").removesuffix(")"))
        assert words[: 1 + len(name.split())] == ["dynamark", *name.split()]
        args = parser_of(words[1]).parse_args(words[1:])
        assert args.verb == name.split()[0]
        assert "--verbose" in text, name


@pytest.mark.parametrize(
    "name", ["run", "check", "claims list", "claims show", "claims run", "results verify", "history", "list"]
)
def test_these_verbs_write_json(name: str) -> None:
    assert "--json" in parsers()[name]._option_string_actions


def test_json_of_runs_checks_and_claims(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = write_suite(here / "s.toml", [LINE, f"{FAULTY}(how='raises')"], seeds=1)
    assert main(["run", suite, "--store", "store", "--engine", "inline", "--json"]) == 4
    report = json.loads(capsys.readouterr().out)
    assert (report["planned"], report["cached"], report["statuses"]) == (2, 0, {"error": 1, "ok": 1})
    assert report["failures"][0]["reason"].startswith("ZeroDivisionError: no such luck")
    assert set(report["keys"]) == set(Store("store").rows(["key"])["key"].to_pylist())
    assert main(["run", suite, "--store", "store", "--dry-run", "--json"]) == 0
    assert (json.loads(capsys.readouterr().out)["to_do"]) == 0
    assert main(["claims", "list", "C01", "--json", "--no-published", "--store", "store"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert {(r["claim"], r["verdict"], r["held_out"]) for r in records} == {("C01", "not run", False)}


def test_json_has_no_nan() -> None:
    assert json.loads(as_json({"a": float("nan"), "b": [float("inf"), 1.0], "c": {"d": (2,)}})) == {
        "a": None,
        "b": [None, 1.0],
        "c": {"d": [2]},
    }


def test_verbose_says_what_happens_in_clean_lines(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = write_suite(here / "s.toml", [LINE], seeds=1)
    words = ["run", suite, "--store", "store", "--engine", "inline", "--quiet"]
    assert main([*words, "-v"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "info: 1 runs planned, 0 cached, 1 to do in 1 batches"
    assert lines[1].startswith("info: ")
    assert ": 1 ok, fit " in lines[1]
    assert main(["-v", *words]) == 0
    assert "info: 1 runs planned, 1 cached" in capsys.readouterr().err
    assert main(words) == 0
    assert "info" not in capsys.readouterr().err
    fill(Store(here / "store"), row("a"))
    assert main([*words, "-vv"]) == 0
    assert "debug: moving 1 journals" in capsys.readouterr().err
    logging.getLogger("dynamark").handlers[-1].handle(
        logging.LogRecord("dynamark", logging.INFO, "", 0, "a\x1b[31m\nb", None, None)
    )
    assert capsys.readouterr().err == "info: a?[31m b\n"
    assert main(words) == 0  # and the next command is quiet again
    assert not logging.getLogger("dynamark").handlers


def test_a_terminal_gets_no_colors() -> None:
    """With and without NO_COLOR: what dynamark prints has no escape sequences at all."""
    for variables in ({}, {"NO_COLOR": "1"}):
        reader, writer = pty.openpty()
        code = "import sys; from dynamark.cli import main; sys.exit(main(['list', 'suites']))"
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=writer, stderr=writer, env={**os.environ, **variables}
        )
        os.close(writer)
        text = os.read(reader, 1 << 16).decode()
        os.close(reader)
        assert done.returncode == 0
        assert "quick" in text
        assert "\x1b" not in text


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("dynamark hist", {"history"}),
        ("dynamark run quick --eng", {"--engine"}),
        ("dynamark run quick --device ", {"cpu", "cuda"}),
        ("dynamark claims l", {"list"}),
        ("dynamark claims list --form", {"--format"}),
        ("dynamark claims list --format ", {"terminal", "md"}),
        ("dynamark compare --format j", {"json", "junit"}),
        ("dynamark run --method al", {"alrnn", "alpha"}),
    ],
)
def test_completion_in_bash(line: str, expected: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    (tmp_path / "complete.bash").write_text(capsys.readouterr().out)
    script = (
        f"source {tmp_path}/complete.bash\n"
        "dynamark() { [ \"$*\" = 'list methods' ] && echo alrnn alpha edmd; }\n"  # plug-ins have names, too
        f'line={shlex.quote(line)}; COMP_WORDS=($line); [ "${{line: -1}}" = " " ] && COMP_WORDS+=("")\n'
        'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _dynamark; printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash", "-uc", script], capture_output=True, text=True)
    assert set(done.stdout.split()) == expected, done.stderr


def test_completion_in_zsh_loads_that_of_bash(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "zsh"]) == 0
    assert "bashcompinit" in capsys.readouterr().out
    assert main(["completion", "bash"]) == 0
    assert "bashcompinit" not in capsys.readouterr().out
