"""A heatmap over its image, with a slider that works in the browser alone."""

import base64
from html import escape
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = (720, 720)
"""Most pixels of the picture that is sent to the browser."""

_STOPS = np.linspace(0, 1, 4)
_COLOURS = np.array([[30, 60, 160], [20, 140, 170], [120, 205, 90], [255, 235, 60]])
"""Blue to yellow, alike in order for every kind of colour vision, and unlike skin."""


def overlay(picture: Image.Image, heatmap: NDArray[np.float32], finding: str, limits: str) -> str:
    """The picture under the heatmap of shape (size, size), values from 0 to 1, that stretches over all of it.

    `finding` says what the map is evidence for, `limits` what it cannot tell.
    """
    alt = f"Heatmap over the image: {_where(heatmap)}"
    return (
        '<figure class="overlay"><div class="stack">'
        f'<img src="{data_url(small(picture, SIZE), "JPEG")}" alt="The uploaded image">'
        f'<img class="heat" src="{data_url(_coloured(heatmap), "PNG")}" alt="{escape(alt)}"></div>'
        '<label><span>Heatmap</span><input type="range" min="0" max="1" step="0.05" value="0.5" '
        'aria-label="Opacity of the heatmap" '
        "oninput=\"this.closest('figure').style.setProperty('--opacity', this.value)\"></label>"
        f"<figcaption><strong>{escape(finding)}</strong> {escape(limits)}</figcaption></figure>"
    )


def _where(heatmap: NDArray[np.float32]) -> str:
    """Where the map is strongest, for whoever cannot see it."""
    if not heatmap.any():
        return "nothing speaks for this diagnosis"
    row, column = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    vertical = ("upper", "middle", "lower")[3 * int(row) // heatmap.shape[0]]
    horizontal = ("left", "centre", "right")[3 * int(column) // heatmap.shape[1]]
    return f"strongest in the {vertical} {horizontal} third"


def small(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A copy of at most this width and height."""
    copy = picture.copy()
    copy.thumbnail(size)
    return copy


def _coloured(heatmap: NDArray[np.float32]) -> Image.Image:
    channels = [np.interp(heatmap, _STOPS, stops) for stops in _COLOURS.T]
    return Image.fromarray(np.stack([*channels, 255 * heatmap], axis=-1).astype(np.uint8))


def data_url(image: Image.Image, kind: str) -> str:
    """The image inside the page: nothing is written on the server."""
    buffer = BytesIO()
    image.save(buffer, kind, quality=88)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
