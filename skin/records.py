"""Records from files that anyone may have edited, checked against the types that they declare."""

import dataclasses
from functools import lru_cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

LARGEST = 10**12
"""No count and no time in seconds is larger."""

Record = TypeVar("Record")


def checked(record: Record) -> Record:
    """The dataclass itself. Raises TypeError where a field of it, or of one inside it, has a value of another type."""
    own: Any = type(record)
    for name, kind in _hints(own).items():
        value = getattr(record, name)
        if not _fits(value, kind):
            raise TypeError(f"{name} is {str(value)[:40]!r}")
    return record


def _fits(value: Any, kind: Any) -> bool:
    inner = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        return any(_fits(value, other) for other in inner)
    if get_origin(kind) is dict:
        return isinstance(value, dict) and all(
            _fits(key, inner[0]) and _fits(own, inner[1]) for key, own in value.items()
        )
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_fits(own, inner[0]) for own in value)
    if dataclasses.is_dataclass(kind):
        return isinstance(value, kind) and all(_fits(getattr(value, name), own) for name, own in _hints(kind).items())  # type: ignore[arg-type]
    return _is_plain(value, kind)


def _is_plain(value: Any, kind: type) -> bool:
    """Whether the value is of this type; an int may stand for a float, no bool for a number, and none is endless."""
    if isinstance(value, int) and kind in (int, float):
        return not isinstance(value, bool) and abs(value) <= LARGEST
    return isinstance(value, kind)


@lru_cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
