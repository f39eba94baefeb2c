"""Hyper-parameters: what an annotation allows, and the search space of every method of the catalog."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Optional, get_args, get_origin

import pytest

from dynamark.errors import UserError
from dynamark.methods.catalog import METHODS
from dynamark.methods.fields import (
    Increasing,
    Limit,
    Range,
    SearchSpace,
    Spelled,
    allowed,
    annotations_of,
    check_fields,
    fits,
)
from dynamark.runners.registry import load, resolve_method, resolve_task, search_space
from dynamark.runners.spec import Spec, parse

CLASSES = {
    f"{target.partition('(')[0].rpartition(':')[2]}": load(target.partition("(")[0], "method")
    for target in METHODS.values()
}


@pytest.mark.parametrize(
    ("annotation", "good", "bad", "words"),
    [
        (int, [0, -3], [True, 2.0, "1", None], "an integer"),
        (float, [1, 2.5, math.inf], [True, "1", None], "a number"),
        (bool, [True], [1, 0], "True or False"),
        (str, ["a"], [1, None], "a string"),
        (Annotated[int, Range(1, 9)], [1, 9], [0, 10, 1.5, True], "an integer from 1 to 9"),
        (Annotated[float, Range(above=0)], [1, 1e-300], [0, -1.0, math.nan, math.inf], "a number above 0"),
        (Annotated[float, Range(low=1, high=math.inf)], [1, math.inf], [0.9, math.nan], "a number from 1 to inf"),
        (Annotated[float, Range(above=0, below=1)], [0.5], [0, 1], "a number above 0 below 1"),
        (int | None, [1, None], ["a", 1.0], "an integer or None"),
        (Optional[int], [1, None], ["a"], "an integer or None"),  # noqa: UP045
        (Literal["a", 1], ["a", 1], ["b", True, 1.0], "one of 'a', 1"),
        (tuple[int, ...], [(), (1, 2), [3]], [1, (1.5,), "12"], "a tuple, each item an integer"),
        (tuple[int, float], [(1, 2.0)], [(1,), (1.0, 2)], "(an integer, a number)"),
        (Annotated[tuple[float, float], Increasing()], [(1, 2)], [(2, 1)], "(a number, a number), in increasing order"),
        (Sequence[str], [("a",), ["b"]], ["ab", (1,)], "Sequence"),
        (Mapping[str, int], [{"a": 1}], [{"a": "b"}, [1]], "Mapping"),
        (Annotated[str, Spelled("[ab]+", "a and b")], ["ab"], ["abc", 1], "a and b"),
        (Path := type("Path", (), {}), [1, "anything", Path()], [], "Path"),
    ],
)
def test_what_an_annotation_allows(annotation: Any, good: list[Any], bad: list[Any], words: str) -> None:
    assert [value for value in good if not fits(annotation, value)] == []
    assert [value for value in bad if fits(annotation, value)] == []
    assert allowed(annotation) == words


@dataclass(frozen=True)
class Sloppy:
    """From outside: a default that its annotation does not allow, and a name that only type checkers know."""

    rank: int = None  # type: ignore[assignment]
    other: Unknown = 3  # type: ignore[name-defined]
    space: ClassVar[int] = 1


def test_classes_from_outside_get_the_check_of_their_annotations() -> None:
    check_fields(Sloppy, {"rank": None, "other": "anything", "no such field": 1})
    with pytest.raises(UserError, match=r"^'sloppy' cannot take rank='a': rank must be an integer$"):
        check_fields(Sloppy, {"rank": "a"}, "sloppy")
    assert "space" not in annotations_of(Sloppy)


@pytest.mark.parametrize(
    "text",
    [
        "dmd(rank=-3)",
        "dmd(rank='a')",
        "dmd(rank=True)",
        "edmd(size=0)",
        "edmd(size=2.5)",
        "edmd(dictionary='monomial')",
        "edmd(dictionary='x0 y1')",
        "hankel_dmd(delays=100000)",
        "lru(radius=(0.9, 0.1))",
        "lru(radius=(0.9, 1.5))",
        "lru(rate=nan)",
        "gd(start='nowhere')",
        "n4sid(orders=(2, 0))",
        "mlp(hidden=64)",
        "edmd(size={3, 0})",
    ],
)
def test_a_value_out_of_range_is_refused_in_one_line(text: str) -> None:
    spec = parse(text)
    name = next(iter({**spec.fields, **spec.choices}))
    with pytest.raises(UserError, match=rf"^'{spec.name}' cannot take {name}=.*: {name} must be ") as refusal:
        resolve_method(spec)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "text", ["edmd(dictionary='1 x0 x1 x0*x0')", "edmd(size=None)", "gd(step=1)", "rls(cap=inf)", "mlp(hidden=(8,))"]
)
def test_what_is_in_range_is_taken(text: str) -> None:
    assert parse(text).fields.items() <= resolve_method(parse(text)).build().__dict__.items()


def test_tasks_get_the_check_of_their_annotations() -> None:
    with pytest.raises(UserError, match="'koopman/slow_manifold' cannot take train='a': train must be an integer"):
        resolve_task(parse("koopman/slow_manifold(train='a')"), "tiny")


@pytest.mark.parametrize("name", CLASSES)
def test_every_number_and_word_of_a_method_has_a_range(name: str) -> None:
    """A bare `int`, `float` or `str` allows anything."""
    annotations = annotations_of(CLASSES[name])
    bare = {field for field, annotation in annotations.items() if not _narrow(annotation)}
    assert not bare, f"write Annotated[..., Range(...)], Literal or Spelled beside {bare}"


def _narrow(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        return any(isinstance(limit, Limit) for limit in annotation.__metadata__)
    if annotation in (bool, type(None), ...) or get_origin(annotation) is Literal:
        return True
    return bool(get_args(annotation)) and all(map(_narrow, get_args(annotation)))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_declares_its_search_space(name: str) -> None:
    """The default first, all values in range, and every candidate constructs."""
    method = resolve_method(Spec(name))
    cls = load(method.target, "method")
    assert isinstance(cls.search_space, Mapping)
    defaults = {f.name: f.default for f in dataclasses.fields(cls)}
    for field, values in cls.search_space.items():
        assert values[0] == defaults[field]
        assert len(set(values)) == len(values) > 1
        assert all(fits(annotations_of(cls)[field], value) for value in values)
    space = search_space(method)
    assert set(space) <= set(cls.search_space)
    candidates = [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]
    assert len(candidates) >= 3 or not space
    for candidate in candidates:
        resolve_method(Spec(name, candidate))


def test_what_a_name_or_a_user_fixes_is_not_searched() -> None:
    assert "start_scale" in search_space(resolve_method(parse("gd")))
    assert "start_scale" not in search_space(resolve_method(parse("gd_small")))
    assert "penalty" not in search_space(resolve_method(parse("esn(penalty=1e-3)")))


@dataclass(frozen=True)
class Searched:
    """A method of a test; its space is set there."""

    rank: Annotated[int, Range(1, 9)] = 3
    search_space: ClassVar[SearchSpace] = {"rank": (3, 9)}


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"rank": (5, 3)}, "must list the default of 'rank', 3, first"),
        ({"rank": ()}, "must list the default of 'rank', 3, first"),
        ({"rank": (3, 10)}, "rank=10: rank must be an integer from 1 to 9"),
        ({"size": (3,)}, "names 'size', which is not a field; its fields: rank"),
    ],
)
def test_a_search_space_from_outside_is_checked(
    space: SearchSpace, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = resolve_method(Spec(f"{__file__}:Searched"))
    cls = load(method.target, "method")
    assert search_space(method) == {"rank": (3, 9)}
    monkeypatch.setattr(cls, "search_space", space)
    with pytest.raises(UserError, match=words):
        search_space(method)
