"""Groups of images, to see whether a model serves everyone alike."""

from collections.abc import Callable

from skin.data.dataset import Dataset, LesionImage
from skin.patient import UNKNOWN, NumberField

Groups = dict[str, dict[str, str]]
"""The group of each image by its id, for each grouping."""


def group(dataset: Dataset) -> Groups:
    """The groups of the images; a grouping that would put all of them into one is left out.

    They are grouped by every field of the patient, numbers only where the field says where a group begins, and by
    GROUPINGS.
    """
    fields = [field for field in dataset.task.fields if not isinstance(field, NumberField) or field.groups]
    groups = {
        field.name: {image.image_id: field.group(image.patient[field.name]) for image in dataset.images}
        for field in fields
    } | {name: {image.image_id: group_of(image) for image in dataset.images} for name, group_of in GROUPINGS.items()}
    return {name: members for name, members in groups.items() if len(set(members.values())) > 1}


GROUPINGS: dict[str, Callable[[LesionImage], str]] = {
    "confirmed_by": lambda image: image.confirmed_by or UNKNOWN,
    "source": lambda image: image.source or UNKNOWN,
}
"""Every grouping that is no field of the patient; a new one is a function and a row."""
