"""Any text as a spec, a suite or an argument: no traceback, no hang, one line of at most 300 printable characters."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dynamark.cli import main
from dynamark.errors import UserError
from dynamark.methods.catalog import METHODS
from dynamark.runners.plan.suite import Suite, load_suite
from dynamark.runners.spec import Spec, parse

EXAMPLES = int(os.environ.get("DYNAMARK_FUZZ", "300"))
FUZZ = settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)

TEXT = st.text(st.characters(codec=None, categories=None), max_size=80)
PIECES = st.sampled_from(
    [
        "edmd",
        "arx",
        "a.py:M",
        ":C",
        "/",
        "..",
        "=",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        ",",
        "*",
        "**",
        "'",
        '"',
        "\\",
        "\\udcff",
        "\x00",
        "\x1b",
        "\n",
        "set()",
        "{[1]}",
        "nan",
        "-inf",
        "1e999",
        "1j",
        "b'x'",
        "None",
        "lambda:0",
        "f'{x}'",
        "(1,)*9**9",
        "9**9**9",
        "--",
        "not",
        "_",
        "#",
        "degree=",
        "rank=3",
        "rank={1,2}",
        "x=[[[]]]",
    ]
)
LONG = st.builds(lambda piece, count: piece * count, PIECES, st.sampled_from([1, 1, 1, 2, 60, 3000]))
SPEC = st.one_of(
    TEXT, st.lists(st.one_of(LONG, TEXT), max_size=6).map("".join), TEXT.map(lambda t: f"edmd(degree={t})")
)


@FUZZ
@given(SPEC)
@example("edmd(" + "[" * 3000)
@example("edmd(degree={[1]})")
@example("edmd(degree=" + "9" * 3000 + ")")
@example("edmd(degree=" + "-" * 3000 + "1)")
@example("edmd(name='\\udcff')")
@example("a\0b.py:C")
def test_any_text_is_a_spec_or_a_user_error(text: str) -> None:
    try:
        spec = parse(text)
    except UserError:
        return
    assert isinstance(spec, Spec)
    str(spec).encode()
    assert parse(str(spec)).label == spec.label


VALUE = st.recursive(
    st.one_of(SPEC, st.integers(), st.just(10**30), st.floats(), st.booleans()),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
KEY = st.sampled_from(["tier", "seeds", "budget", "about", "tasks", "methods", "choose", "runs", "left_out", "x"])


def toml(value: object) -> str:
    """A value as TOML; text is escaped only as far as is usual, so that some of it is none."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return str(value) if isinstance(value, int | float) else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'  # type: ignore[attr-defined]


HEAD = '[[runs]]\ntier = "tiny"\nseeds = 1\n'


@FUZZ
@given(
    st.one_of(
        TEXT.map(str),
        st.lists(st.tuples(KEY, VALUE), max_size=5).map(lambda kv: "\n".join(f"{k} = {toml(v)}" for k, v in kv)),
    ),
    st.booleans(),
)
@example("x = " + "[" * 5000, False)
@example("seeds = " + "9" * 5000, False)
@example("choose = {rate = [[]]}\ntasks = ['*']\nmethods = ['*']", True)
@example("a." * 3000 + "b = 1", False)
def test_any_suite_is_a_suite_or_a_user_error(text: str, table: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.toml"
        path.write_bytes(((HEAD if table else "") + text).encode(errors="surrogatepass"))
        try:
            assert isinstance(load_suite(str(path)), Suite)
        except UserError:
            return


WORD = st.one_of(
    SPEC,
    st.sampled_from(
        [
            "run",
            "compare",
            "results",
            "verify",
            "export",
            "show",
            "--seeds",
            "--salt",
            "--tier",
            "--store",
            "--out",
            "--workers",
            "--timeout",
            "--memory-gb",
            "--shard",
            "--method",
            "--task",
            "--format",
            "--key",
            "--level",
            "--effect",
            "--family",
            "-1",
            "0",
            "1e400",
            "nan",
            "²",
            "",
            "9999999999999999999999",
            "0-9",
            "1/2",
            "tiny",
            "quick",
            "-",
            "--",
            "--help",
        ]
    ),
)
# Verbs that plan or read nothing before they check what they are given.
START = st.sampled_from(
    [[], ["run"], ["run", "nonsense"], ["list"], ["check"], ["compare"], ["results", "verify"], ["data", "export"]]
)


@settings(FUZZ, max_examples=max(EXAMPLES // 3, 50))
@given(START, st.lists(WORD, max_size=4))
@example(["run"], ["x" * 3000 + ".toml"])
@example(["run"], ["a\0.toml"])
@example(["results", "verify"], ["x" * 3000])
@example(["compare"], ["\udcff", "a\0b"])
def test_any_command_line_ends_with_one_line(start: list[str], words: list[str]) -> None:
    if {"quick", *METHODS} & set(words):
        return  # these may be whole commands, which run
    out, err = io.StringIO(), io.StringIO()
    begun = time.process_time()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main([*start, *words])
        except SystemExit as stop:
            code = int(stop.code or 0)
    assert time.process_time() - begun < 10
    assert code in (0, 1, 2, 3), err.getvalue()
    if code == 2:
        last = err.getvalue().rstrip("\n").split("\n")[-1]
        assert ": error: " in last
        assert last.isprintable()
        assert len(last) <= 300


def test_the_fuzzers_see_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    from dynamark.runners import spec

    monkeypatch.setattr(spec, "storable", lambda *_: True)
    with pytest.raises(UnicodeEncodeError):
        str(parse("a\udcff.py:M")).encode()
