"""A heatmap over its image, with a slider that works in the browser alone."""

import base64
from collections.abc import Mapping
from io import BytesIO

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image, ImageColor

from skin.theme import HEATMAP_COLOURS
from skin.ui.components.templates import render

SIZE = (720, 720)
"""Most pixels of the picture that is sent to the browser."""

_STOPS = np.array([ImageColor.getrgb(colour) for colour in HEATMAP_COLOURS])
_PLACES = np.linspace(0, len(_STOPS) - 1, 256)
_PALETTE = np.stack([np.interp(_PLACES, range(len(_STOPS)), channel) for channel in _STOPS.T], axis=-1)
"""The colours of 256 values from 0 to 1, of shape (256, 3)."""

_CHOOSE = """const figure = this.closest('figure'), chosen = this.selectedOptions[0].dataset;
Object.assign(figure.querySelector('.heat'), { src: chosen.heat, alt: chosen.alt });"""
"""Shows the heatmap of the diagnosis that was chosen."""


def heatmap_overlay(
    picture: Image.Image, heatmaps: Mapping[str, NDArray[np.float32]], title: str, limits: str
) -> Markup:
    """The picture under a heatmap of shape (size, size), values from 0 to 1, that stretches over all of it.

    The heatmaps go by what they are evidence for; the first one is shown, and each of them can be chosen. `limits` says
    what they cannot tell.
    """
    layers = [
        {
            "name": name,
            "url": data_url(_coloured(heatmap), "PNG"),
            "alt": f"Heatmap of {name} over the image: {_where(heatmap)}",
        }
        for name, heatmap in heatmaps.items()
    ]
    return render(
        "predict/heatmap_overlay.html",
        picture=data_url(shrunk(picture, SIZE), "JPEG"),
        heatmaps=layers,
        choose=_CHOOSE,
        title=title,
        limits=limits,
    )


def _where(heatmap: NDArray[np.float32]) -> str:
    """The place where the map is strongest, for whoever cannot see it."""
    if not heatmap.any():
        return "nothing speaks for this diagnosis"
    row, column = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    vertical = ("upper", "middle", "lower")[3 * int(row) // heatmap.shape[0]]
    horizontal = ("left", "centre", "right")[3 * int(column) // heatmap.shape[1]]
    return f"strongest in the {vertical} {horizontal} third"


def shrunk(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A copy of at most this width and height."""
    copy = picture.copy()
    copy.thumbnail(size)
    return copy


def _coloured(heatmap: NDArray[np.float32]) -> Image.Image:
    """The higher the value, the less transparent."""
    image = Image.fromarray((255 * heatmap).astype(np.uint8))
    image.putpalette(_PALETTE.astype(np.uint8).tobytes())
    image.info["transparency"] = bytes(range(256))
    return image


def data_url(image: Image.Image, kind: str) -> str:
    """The image inside the page: nothing is written on the server."""
    buffer = BytesIO()
    image.save(buffer, kind, quality=88)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
