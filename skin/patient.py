"""The patient of an image: kinds of fields, each with its one parsing and one encoding."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from skin.errors import UsageError

UNKNOWN = "unknown"
"""A choice of whose value nothing is known, and the word for any value that is missing."""

Value = float | str
"""The value of a field: a number, or one of its choices."""


@dataclass(frozen=True)
class Patient:
    """A value for each field that is known, by the field's name."""

    known: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))

    def __hash__(self) -> int:
        return hash(frozenset(self.known.items()))

    def __getitem__(self, name: str) -> Value | None:
        """The field's value, None where it is unknown."""
        return self.known.get(name)

    @property
    def is_unknown(self) -> bool:
        """True where no field at all is known."""
        return not self.known

    def having(self, name: str, value: Value | None) -> "Patient":
        """The same patient with another value of this field; None for an unknown one."""
        rest = {own: known for own, known in self.known.items() if own != name}
        return Patient(rest if value is None else {**rest, name: value})


@dataclass(frozen=True)
class NumberField:
    """A number between two bounds, encoded as its share of `scale` beside a flag that it is missing.

    `columns` are further names of its column in a table; from each number of `groups` on, a new group of patients
    begins, of which a report tells how well they are recognised.
    """

    name: str
    label: str
    minimum: float
    maximum: float
    unit: str = ""
    scale: float = 1.0
    groups: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()

    kind = "number"
    width = 2

    @property
    def problem(self) -> str:
        """Why there can be no such field, "" where there can."""
        if not self.minimum < self.maximum:
            return f"the minimum of {self.name!r} must be below its maximum"
        if not (self.scale > 0 and math.isfinite(self.scale + self.maximum - self.minimum)):
            return f"the scale of {self.name!r} must be above 0, and its bounds finite"
        return ""

    def parse(self, value: object) -> float | None:
        """The number that a person typed or a table holds, None for a blank. Raises UsageError for anything else."""
        text = plain(value)
        if text in ("", UNKNOWN):
            return None
        try:
            number = float(text)
        except ValueError:
            of = f" of {self.unit}" if self.unit else ""
            raise UsageError(f"The {self.words} must be a number{of} or empty, not {value!r}.") from None
        if not self.minimum <= number <= self.maximum:
            bounds = f"{self.minimum:g} and {self.maximum:g} {self.unit}".rstrip()
            raise UsageError(f"The {self.words} must lie between {bounds}, not {number:g}.")
        return number

    def encode(self, value: Value | None) -> list[float]:
        """The columns of the encoding, as many as `width`."""
        return [0.0, 1.0] if value is None else [float(value) / self.scale, 0.0]

    @property
    def headings(self) -> tuple[str, ...]:
        """A name for each column of the encoding."""
        return f"{self.name} / {self.scale:g}", f"{self.name} {UNKNOWN}"

    def group(self, value: Value | None) -> str:
        """The name of the group that a patient of this value belongs to."""
        if value is None:
            return UNKNOWN
        first = max((start for start in self.groups if start <= float(value)), default=f"{self.minimum:g}")
        end = min((start for start in self.groups if start > float(value)), default=None)
        more = "older" if self.unit == "years" else "more"
        return f"{first} and {more}" if end is None else f"{first} to {end - 1}"

    def said(self, value: Value | None) -> str:
        """The value as a caption says it."""
        return f"{self.words} {UNKNOWN}" if value is None else f"{value:g} {self.unit}".rstrip()

    @property
    def words(self) -> str:
        """The name within a sentence."""
        return self.name.replace("_", " ")


@dataclass(frozen=True)
class ChoiceField:
    """One of some values, encoded with a column for each and a last one for unknown.

    `columns` are further names of its column in a table.
    """

    name: str
    label: str
    values: tuple[str, ...]
    columns: tuple[str, ...] = ()

    kind = "choice"

    @property
    def problem(self) -> str:
        """Why there can be no such field, "" where there can."""
        lower = [value.lower() for value in self.values]
        if not self.values:
            return f"{self.name!r} has no value to choose"
        if len(set(lower)) < len(lower):
            return f"two values of {self.name!r} have one name"
        if "" in lower or UNKNOWN in lower:
            return f"no value of {self.name!r} may be empty or {UNKNOWN!r}, which is one of every field"
        return ""

    @property
    def width(self) -> int:
        """Number of columns of the encoding."""
        return len(self.values) + 1

    @property
    def choices(self) -> tuple[str, ...]:
        """The values, and unknown."""
        return (*self.values, UNKNOWN)

    def parse(self, value: object) -> str | None:
        """The value that a person typed or a table holds, None for a blank. Raises UsageError for anything else."""
        text = plain(value)
        if text in ("", UNKNOWN):
            return None
        found = next((own for own in self.values if own.lower() == text), None)
        if found is None:
            raise UsageError(f"Unknown {self.words} {value!r}: use one of {', '.join(self.choices)}.")
        return found

    def encode(self, value: Value | None) -> list[float]:
        """The columns of the encoding, as many as `width`."""
        known = value if value in self.values else UNKNOWN  # another task has other values
        return [float(own == known) for own in self.choices]

    @property
    def headings(self) -> tuple[str, ...]:
        """A name for each column of the encoding."""
        return tuple(f"{self.name} {value}" for value in self.choices)

    def group(self, value: Value | None) -> str:
        """The name of the group that a patient of this value belongs to."""
        return str(value or UNKNOWN)

    def said(self, value: Value | None) -> str:
        """The value as a caption says it."""
        return f"{self.words} {UNKNOWN}" if value is None else str(value)

    @property
    def words(self) -> str:
        """The name within a sentence."""
        return self.name.replace("_", " ")


PatientField = NumberField | ChoiceField

KINDS: Mapping[str, Callable[..., PatientField]] = {row.kind: row for row in (NumberField, ChoiceField)}
"""Every kind of field, by its name in a `task.json`; a new one is a class with the methods of these."""


def plain(value: object) -> str:
    """The value as lower-case text, "" for what stands for nothing."""
    text = "" if value is None else str(value).strip().lower()
    return "" if text in ("nan", "none") else text
