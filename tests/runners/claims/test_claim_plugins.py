"""Claims of a file and of an entry point are listed, run and shown like those that ship; and held out with a salt."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest
from support import PLUGINS

from dynamark.cli import main
from dynamark.errors import UserError
from dynamark.runners.claims import catalog
from dynamark.runners.claims.api import claims, run_claims

FILE = f"{PLUGINS}/my_claims.py"


def test_claims_of_a_file_are_run_listed_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["claims", "run", FILE, "--store", "rows", "--workers", "1"]) == 0
    capsys.readouterr()
    assert main(["claims", "list", "--claims", FILE, "--store", "rows", "--no-published"]) == 0
    out = capsys.readouterr().out
    assert "my_claims.py:C1" in out
    assert "2 claims of 2 papers: 2 reproduced" in out
    assert main(["claims", "show", f"{FILE}:C1", "--store", "rows", "--no-published"]) == 0
    out = capsys.readouterr().out
    assert "my_claims.py:C1 (my_claims, empirical): ✓ reproduced" in out
    assert "measured.py:StandardError(draws=400): 3 seeds (dynamark reproduce " in out


def test_claims_are_held_out_with_a_salt(tmp_path: Path) -> None:
    only = f"{FILE}:C1"
    assert run_claims(only, store=tmp_path, workers=1) == []
    assert [e.verdict for e in claims(only, stores=tmp_path, published=False, salt="word").held_out] == ["not run"]
    assert run_claims(only, store=tmp_path, workers=1, salt="word") == []
    both = claims(only, stores=tmp_path, published=False, salt="word")
    (public,), (held_out,) = both.evaluations, both.held_out
    assert (public.verdict, held_out.verdict) == ("reproduced", "reproduced")
    assert public.results[0].interval != held_out.results[0].interval
    assert not set(public.keys) & set(held_out.keys)


def test_claims_of_an_entry_point_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PLUGINS / "package" / "src"))
    points = [
        importlib.metadata.EntryPoint("example", "dynamark_example.claims", "dynamark.claims"),
        importlib.metadata.EntryPoint("mine", "dynamark_example.claims:E1", "dynamark.claims"),
    ]
    monkeypatch.setattr(catalog, "entry_points", lambda group: points if group == "dynamark.claims" else [])
    listed = catalog.choose(["E1", "mine", "C01"])
    assert [(name, one.family) for name, one in listed.items()] == [
        ("E1", "example"),
        ("mine", "example"),
        ("C01", "sensing"),
    ]
    sys.modules.pop("dynamark_example.claims", None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.py", "does not exist"),
        (f"{FILE}:C9", "unknown claim of .*my_claims.py: 'C9'"),
        (f"{FILE}:median", "'my_claims.py:median' is not a claim"),
        (f"{PLUGINS}/walk.py", "walk.py holds no claim; write NAME = Claim"),
    ],
)
def test_what_is_no_claim_is_said_in_one_line(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        catalog.choose([name])
