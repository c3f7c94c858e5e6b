from pathlib import Path

import pytest
from ham import someone

from skin.data.dataset import Dataset, LesionImage
from skin.data.groups import group
from skin.patient import Patient


def image(image_id: str, patient: Patient, confirmed_by: str = "", source: str = "") -> LesionImage:
    return LesionImage(image_id, "L", "nv", patient, Path("a.jpg"), confirmed_by, source)


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, "0 to 29"), (29.5, "0 to 29"), (30, "30 to 44"), (74, "60 to 74"), (75, "75 and older"), (None, "unknown")],
)
def test_ages_fall_into_groups(age: float | None, expected: str) -> None:
    images = [image("a", someone(age)), image("other", someone(50))]
    assert group(Dataset("x", "X", tuple(images)))["age"] == {"a": expected, "other": "45 to 59"}


def test_images_are_grouped_by_all_that_tells_them_apart() -> None:
    first = image("a", someone(40, "female", "back"), "histo")
    second = image("b", someone(40, "male", "face"), "consensus")
    assert group(Dataset("x", "X", (first, second))) == {
        "sex": {"a": "female", "b": "male"},
        "site": {"a": "back", "b": "face"},
        "confirmed_by": {"a": "histo", "b": "consensus"},
    }
