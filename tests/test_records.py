"""Records as files hold them."""

import math
from dataclasses import dataclass

import pytest

from skin.records import from_plain, to_plain


@dataclass(frozen=True)
class Inner:
    value: float
    label: str | None = None


@dataclass(frozen=True)
class Outer:
    rows: tuple[tuple[int, ...], ...]
    by_name: dict[str, Inner]
    inner: Inner | None = None


PLAIN = {"rows": [[1, 2], [3]], "by_name": {"a": {"value": 0.5, "label": "x"}}, "inner": None}


def test_a_record_is_read_as_it_was_written() -> None:
    record = Outer(((1, 2), (3,)), {"a": Inner(0.5, "x")})
    assert to_plain(record) == PLAIN
    assert from_plain(Outer, PLAIN) == record


def test_null_is_an_undefined_number_and_only_of_a_number() -> None:
    assert math.isnan(from_plain(Inner, {"value": None}).value)
    assert from_plain(Inner, {"value": 1.0, "label": None}).label is None


def test_unknown_keys_are_left_out_at_every_depth() -> None:
    written = {**PLAIN, "more": 1, "inner": {"value": 1.0, "more": [1]}}
    assert from_plain(Outer, written).inner == Inner(1.0)


@pytest.mark.parametrize("value", [None, [], "text", 3, {}, {"rows": 3, "by_name": {}}, {"rows": [], "by_name": []}])
def test_another_shape_is_refused(value: object) -> None:
    with pytest.raises((TypeError, AttributeError)):
        from_plain(Outer, value)
