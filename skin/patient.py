"""What is known of the patient, and its one encoding for every model."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from skin.errors import UsageError

MAX_AGE = 120.0
"""Years; a higher age is refused as impossible."""


class Sex(StrEnum):
    """Sex as HAM10000 records it."""

    FEMALE = "female"
    MALE = "male"
    UNKNOWN = "unknown"


class Site(StrEnum):
    """The fifteen values of body site in HAM10000, `unknown` among them."""

    ABDOMEN = "abdomen"
    ACRAL = "acral"
    BACK = "back"
    CHEST = "chest"
    EAR = "ear"
    FACE = "face"
    FOOT = "foot"
    GENITAL = "genital"
    HAND = "hand"
    LOWER_EXTREMITY = "lower extremity"
    NECK = "neck"
    SCALP = "scalp"
    TRUNK = "trunk"
    UPPER_EXTREMITY = "upper extremity"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Patient:
    """Age in years (None where unknown), sex and body site of one image's patient."""

    age: float | None = None
    sex: Sex = Sex.UNKNOWN
    site: Site = Site.UNKNOWN

    def __post_init__(self) -> None:
        if self.age is not None and not 0 <= self.age <= MAX_AGE:
            raise UsageError(f"The age must lie between 0 and {MAX_AGE:.0f} years, not {self.age:g}.")

    @property
    def is_unknown(self) -> bool:
        """Whether no field at all is known."""
        return self == Patient()

    @classmethod
    def parse(cls, age: object = None, sex: object = None, site: object = None) -> Self:
        """A patient from what a person typed, a form sent or a table holds; blanks mean unknown.

        Raises UsageError with the allowed values when a field is neither blank nor valid.
        """
        return cls(_parse_age(age), _parse_choice(Sex, "sex", sex), _parse_choice(Site, "site", site))


def _parse_age(value: object) -> float | None:
    text = _text(value)
    if text in ("", "unknown"):
        return None
    try:
        age = float(text)
    except ValueError:
        raise UsageError(f"The age must be a number of years or empty, not {value!r}.") from None
    return None if np.isnan(age) else age


Choice = TypeVar("Choice", bound=StrEnum)


def _parse_choice(choices: type[Choice], field: str, value: object) -> Choice:
    text = _text(value) or "unknown"
    try:
        return choices(text)
    except ValueError:
        raise UsageError(f"Unknown {field} {value!r}: use one of {', '.join(choices)}.") from None


def _text(value: object) -> str:
    text = "" if value is None else str(value).strip().lower()
    return "" if text in ("nan", "none") else text


_SEXES = tuple(Sex)
_SITES = tuple(Site)
FIELDS: dict[str, slice] = {
    "age": slice(0, 2),
    "sex": slice(2, 2 + len(_SEXES)),
    "site": slice(2 + len(_SEXES), 2 + len(_SEXES) + len(_SITES)),
}
"""Columns of the encoding that belong to each field."""

COLUMNS = ("age / 100", "age unknown", *(f"sex {sex}" for sex in Sex), *(f"site {site}" for site in Site))
"""Names of the columns of the encoding, which an exported network carries."""

WIDTH = len(COLUMNS)
"""Number of columns of the encoding."""


def encode(patients: Sequence[Patient]) -> NDArray[np.float32]:
    """The patients as numbers, of shape (n_patients, WIDTH).

    Age is divided by 100 years beside a flag that it is missing; sex and site are one-hot, "unknown" being a value.
    """
    encoded = np.zeros((len(patients), WIDTH), np.float32)
    for row, patient in zip(encoded, patients, strict=True):
        row[0] = 0.0 if patient.age is None else patient.age / 100
        row[1] = patient.age is None
        row[FIELDS["sex"].start + _SEXES.index(patient.sex)] = 1
        row[FIELDS["site"].start + _SITES.index(patient.site)] = 1
    return encoded


UNKNOWN: NDArray[np.float32] = encode([Patient()])[0]
"""The encoding of a patient of whom nothing is known, of shape (WIDTH,)."""


def drop_fields(encoded: NDArray[np.float32], rate: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A copy in which each field of each patient is set to unknown with probability `rate`."""
    dropped = encoded.copy()
    for columns in FIELDS.values():
        rows = rng.random(len(encoded)) < rate
        dropped[rows, columns] = UNKNOWN[columns]
    return dropped
