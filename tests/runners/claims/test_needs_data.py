"""The page of claims names the claims that need data which nobody here has, and no claim of these names is declared."""

from __future__ import annotations

import re

from dynamark.runners.claims.catalog import shipped_claims
from dynamark.runners.claims.page import markdown


def test_claims_that_need_data_are_named_and_not_declared() -> None:
    sentence = re.search(r"\*\*Claims that need data\.\*\*(.*?)are not measured", markdown([]), re.DOTALL)
    assert sentence is not None
    named = re.findall(r"X\d+", sentence[1])
    assert named == ["X9", "X16", "X25"]
    assert not set(named) & set(shipped_claims())
