import math
from typing import Any, Literal, Optional

import pytest

from leyden.core.arguments import crossed, nearest, number_problem, signature, type_problem


@pytest.mark.parametrize(
    ("name", "value", "default", "wrong"),
    [
        ("batch_size", 0, 32, True), ("batch_size", 1, 32, False), ("eval_batch_size", -4, 256, True),
        ("lr", -1e-3, 1e-3, True), ("lr_generator", -1.0, None, True), ("lr", math.inf, 1e-3, True),
        ("lr", 0.0, 1, False),
        ("dropout", 1.5, 0.1, True), ("dropout", 0.5, 0.1, False), ("weight_decay", math.nan, 0.0, True),
        ("limit", math.inf, 1.0, False), ("offset", -1, -2, False), ("offset", -1, None, False),
        ("layers", -1, 4, True), ("seed", 10**400, 0, True), ("seed", 2**63 - 1, 0, False),
        ("holdout", 0, 0.1, True), ("holdout", 1.0, 0.1, True), ("holdout", 0.2, 0.1, False),
        ("n_critic", 0, 1, True), ("spectral_norm", False, False, False), ("image_size", 0, None, True),
    ],
)  # fmt: skip
def test_numbers_that_no_argument_takes(name: str, value: Any, default: Any, wrong: bool) -> None:
    assert bool(number_problem(name, value, default)) is wrong


def test_least_above_greatest_is_named() -> None:
    assert dict(crossed({"min_side": 5, "max_side": 4, "smallest": 0.1, "largest": 0.5})) == {
        "min_side": "is 5, more than max_side=4: lower the one or raise the other"
    }
    assert [name for name, _ in crossed({"smallest": 0.6, "largest": 0.5})] == ["smallest"]


def test_true_is_no_number() -> None:
    assert type_problem(True, int) == "should be int, is True"
    assert type_problem(1, float) is None


@pytest.mark.parametrize(
    ("hint", "named"),
    [
        (int | None, "int or null"), (Optional[int], "int or null"), (None | float | str, "float or str or null"),  # noqa: UP045
        (Literal["a", None], "one of a, null"), (list[int] | None, "list[int] or null"),
    ],
)  # fmt: skip
def test_types_are_named_as_yaml_has_them(hint: Any, named: str) -> None:
    assert type_problem(b"x", hint) == f"should be {named}, is b'x'"


def test_signature_names_what_must_be_given() -> None:
    def function(a: int, b: str = "x", *rest: int, c: float, **more: Any) -> None: ...

    taken = signature(function)
    assert (taken.required, taken.defaults, taken.open_ended) == (["a", "c"], {"b": "x"}, True)


def test_nearest_name_or_all() -> None:
    assert nearest("learing", ["learning", "rate"]) == "; did you mean learning?"
    assert nearest("zzz", ["b", "a"]) == "; there are: a, b"
