"""By what images are grouped, to see whether a model serves everyone alike."""

from bisect import bisect
from collections.abc import Callable, Iterable

from skin.lesion import LesionImage

AGES = (30, 45, 60, 75)
"""Years at which a new age group begins."""

Groups = dict[str, dict[str, str]]
"""The group of each image by its id, for each grouping."""


def group(images: Iterable[LesionImage]) -> Groups:
    """The groups of the images; a grouping that would put all of them into one is left out."""
    images = list(images)
    groups = {name: {image.image_id: group_of(image) for image in images} for name, group_of in GROUPINGS.items()}
    return {name: members for name, members in groups.items() if len(set(members.values())) > 1}


def _age_group(image: LesionImage) -> str:
    age = image.patient.age
    if age is None:
        return "unknown"
    index = bisect(AGES, age)
    first, end = (0, *AGES)[index], (*AGES, None)[index]
    return f"{first} and older" if end is None else f"{first} to {end - 1}"


GROUPINGS: dict[str, Callable[[LesionImage], str]] = {
    "age": _age_group,
    "sex": lambda image: str(image.patient.sex),
    "site": lambda image: str(image.patient.site),
    "confirmed_by": lambda image: image.confirmed_by or "unknown",
    "source": lambda image: image.source or "unknown",
}
"""Every grouping; a new one is a function and a row."""
