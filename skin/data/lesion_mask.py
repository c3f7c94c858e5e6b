"""The outline of a lesion, found by its colour: rough, and enough to tell how much of the picture it fills.

The skin beside a lesion is another question, see `skin_mask` in `skin/audit/skin_tone.py`.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]

_FRAME = 40
"""Brightness below which what touches the border is the frame that a dermatoscope leaves black."""


def lesion_mask(pixels: NDArray[np.uint8]) -> Mask:
    """True where the lesion is in a picture of shape (size, size, 3), nowhere in one of a single colour.

    The part that is darker in green and blue than the rest, by Otsu's threshold, nearest to the centre for its size.
    """
    size = len(pixels)
    darkness = ndimage.gaussian_filter(255 - pixels[..., 1:].mean(axis=-1), size / 60)
    visible = ~black_frame(pixels)
    if not visible.any() or np.ptp(darkness[visible]) < 1:
        return np.zeros_like(visible)
    parts, n = ndimage.label(visible & (darkness > otsu(darkness[visible])))
    weights = ndimage.sum_labels(np.broadcast_to(_centrality(size), parts.shape), parts, range(1, n + 1))
    mask: Mask = ndimage.binary_fill_holes(parts == 1 + int(np.argmax(weights)))
    return mask


def black_frame(pixels: NDArray[np.uint8]) -> Mask:
    """The black parts of a picture that touch its corners."""
    parts, _ = ndimage.label(pixels.max(axis=-1) < _FRAME)
    corners = parts[[0, 0, -1, -1], [0, -1, 0, -1]]
    frame: Mask = np.isin(parts, corners[corners > 0])
    return frame


def otsu(values: NDArray[np.float64], bins: int = 128) -> float:
    """The edge between bins of values that leaves the least variance within the two groups beside it (Otsu 1979)."""
    counts, edges = np.histogram(values, bins)
    centres = (edges[:-1] + edges[1:]) / 2
    below, sums = np.cumsum(counts), np.cumsum(counts * centres)
    above, rest = below[-1] - below, sums[-1] - sums
    between = (sums / np.maximum(below, 1) - rest / np.maximum(above, 1)) ** 2 * below * above
    return float(edges[1 + int(np.argmax(between))])


def _centrality(size: int) -> NDArray[np.float64]:
    """Weights of the places in a picture, 1 in its centre and small at its border."""
    axis = (np.arange(size) + 0.5) / size - 0.5
    return np.exp(-8 * (axis[:, None] ** 2 + axis[None, :] ** 2))
