"""HAM10000's classes and patients, as most tests use them."""

from skin.patient import Patient
from skin.task import HAM10000

CODES, MALIGNANT, UNKNOWN, WIDTH = HAM10000.codes, HAM10000.malignant, HAM10000.unknown, HAM10000.width


def someone(age: float | None = None, sex: str | None = None, site: str | None = None) -> Patient:
    """A patient of whom this is known."""
    return HAM10000.parse({"age": age, "sex": sex, "site": site})
