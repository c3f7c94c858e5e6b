"""Records as files hold them, and back: read for the fields that they declare, and checked against their types."""

import dataclasses
from collections.abc import Container, Iterable
from functools import lru_cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

LARGEST = 10**12
"""No count and no time in seconds is larger."""

Record = TypeVar("Record")


def to_plain(record: Any) -> Any:
    """A record as JSON has it: dictionaries and lists, and null for an undefined number."""
    if dataclasses.is_dataclass(record):
        return to_plain(vars(record))
    if isinstance(record, dict):
        return {key: to_plain(value) for key, value in record.items()}
    if isinstance(record, tuple):
        return [to_plain(value) for value in record]
    return None if isinstance(record, float) and np.isnan(record) else record


def from_plain(kind: Any, value: Any) -> Any:
    """The record of this type that `to_plain` wrote; keys that its type does not declare are left out.

    Raises TypeError or AttributeError where the value has another shape, or a field without a default is missing; the
    types of numbers and texts are for `checked` to see to.
    """
    inner = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        return None if value is None else from_plain(inner[0], value)
    if dataclasses.is_dataclass(kind):
        hints = _hints(kind)  # type: ignore[arg-type]
        return kind(**{name: from_plain(hints[name], value[name]) for name in hints.keys() & value.keys()})  # type: ignore[operator]
    if get_origin(kind) is dict:
        return {key: from_plain(inner[1], own) for key, own in value.items()}
    if get_origin(kind) is tuple:
        return tuple(from_plain(inner[0], own) for own in value)
    return np.nan if kind is float and value is None else value


def checked(record: Record) -> Record:
    """The dataclass itself. Raises TypeError where a field of it, or of one inside it, has a value of another type."""
    own: Any = type(record)
    for name, kind in _hints(own).items():
        value = getattr(record, name)
        if not _fits(value, kind):
            raise TypeError(f"{name} is {str(value)[:40]!r}")
    return record


def check_names(names: Iterable[str], known: Container[str]) -> None:
    """Raise ValueError where one of the names, by which a record keeps something, is not known here."""
    if strange := [name for name in names if name not in known]:
        raise ValueError(f"{strange[0][:40]!r} is not known")


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
    """True where the value is of this type; an int may stand for a float, no bool for a number, and none is endless."""
    if isinstance(value, int) and kind in (int, float):
        return not isinstance(value, bool) and abs(value) <= LARGEST
    return isinstance(value, kind)


@lru_cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
