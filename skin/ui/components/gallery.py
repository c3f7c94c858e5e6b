"""Galleries of the images that a report names, where their data set is at hand."""

from collections.abc import Iterator, Mapping
from typing import Any

from PIL import Image

from skin.data import pixels
from skin.data.dataset import LesionImage
from skin.errors import UserError
from skin.evaluation.predictions import Predictions
from skin.ui.components.loaded_report import LoadedReport
from skin.ui.components.open_datasets import OpenDatasets

THUMBNAIL_SIZE = (400, 300)
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
"""The look of a gallery of pictures."""

GalleryImage = tuple[Image.Image, str]


def load_gallery(captions: Mapping[str, str], loaded: LoadedReport, open_datasets: OpenDatasets) -> list[GalleryImage]:
    """The images with these ids and captions, small, as a gallery takes them.

    They are looked for in the subject's data set and, where that is elsewhere, in any other at hand that holds the
    same images. Raises UserError with how to get them.
    """
    opened = open_datasets.find_images(true_diagnoses(loaded.predictions), loaded.dataset) if captions else None
    found = list(_thumbnails(captions, opened.images if opened else {}))
    if captions and not found:
        raise UserError(
            "The pictures are not on this machine: open a folder that holds them, or Kaggle's HAM10000, on the Dataset "
            "tab. Where that is not offered, run the app on your own machine: python app.py."
        )
    return found


def true_diagnoses(predictions: Predictions) -> dict[str, str]:
    """The true diagnosis of each image, by its id."""
    codes = predictions.task.codes
    return {image_id: codes[k] for image_id, k in zip(predictions.image_ids, predictions.truth, strict=True)}


def _thumbnails(captions: Mapping[str, str], images: Mapping[str, LesionImage]) -> Iterator[GalleryImage]:
    for image_id, caption in captions.items():
        if image_id in images:
            thumbnail = pixels.decode(images[image_id].path)
            thumbnail.thumbnail(THUMBNAIL_SIZE)
            yield thumbnail, f"{caption} · {image_id}"
