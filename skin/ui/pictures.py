"""Pictures of images that a report names, where their data set is at hand."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from skin.data import ham10000, pixels
from skin.data.datasets import DATASETS
from skin.errors import UserError
from skin.lesion import LesionImage
from skin.ui.selection import Shelf

SIZE = (400, 300)
"""Pixels; more would be slow to send, less blurred when a picture is enlarged."""

GALLERY: dict[str, Any] = {
    "label": "Images",
    "show_label": False,
    "columns": 3,
    "height": "auto",
    "format": "jpeg",
    "buttons": ["fullscreen"],
    "elem_classes": "pictures",
}
"""How a gallery of pictures looks."""

Picture = tuple[Image.Image, str]


def pictures(captions: Mapping[str, str], dataset: str, shelf: Shelf) -> list[Picture]:
    """The images with these ids and captions, small, as a gallery takes them.

    They are looked for in the data set and, where that is elsewhere, in Kaggle's HAM10000 if it was downloaded.
    Raises UserError with how to get them.
    """
    at_hand = next((name for name in (dataset, "kaggle") if is_at_hand(name, shelf)), None)
    images = {image.image_id: image for image in shelf[_full(at_hand)].dataset.images} if at_hand else {}
    found = list(_thumbnails(captions, images))
    if captions and not found:
        raise UserError(
            "The pictures are not on this machine: open their data set on the Dataset tab, which downloads Kaggle's, "
            "or put the folder that the run was trained on back in its place."
        )
    return found


def is_at_hand(dataset: str, shelf: Shelf) -> bool:
    """Whether the data set can be read without downloading it."""
    if dataset == "kaggle":
        return ham10000.is_downloaded(shelf.workspace)
    return dataset in DATASETS or (bool(dataset) and Path(dataset).is_dir())


def _full(dataset: str) -> str:
    """The name under which the shelf keeps a data set."""
    return dataset if dataset in DATASETS else str(Path(dataset).resolve())


def _thumbnails(captions: Mapping[str, str], images: Mapping[str, LesionImage]) -> Iterator[Picture]:
    for image_id, caption in captions.items():
        if image_id in images:
            thumbnail = pixels.decode(images[image_id].path)
            thumbnail.thumbnail(SIZE)
            yield thumbnail, f"{caption} · {image_id}"
