"""Explanations: a map over the image of where the answer comes from, and what such a map cannot tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from skin.data.views import ORIENTATIONS, orient_back
from skin.models.network import EncodedImage

Heatmaps = NDArray[np.float32]
"""A map for every class, of shape (size, size, n_classes), with values from 0 to 1."""


@dataclass(frozen=True)
class Explanation:
    """A row of EXPLANATIONS: `explain(image, patient)` maps every class over the image for a patient of shape (width,)."""

    title: str
    limits: str
    explain: Callable[[EncodedImage, NDArray[np.float32]], Heatmaps]


def grad_cam(image: EncodedImage, patient: NDArray[np.float32]) -> Heatmaps:
    """Grad-CAM (Selvaraju et al. 2017), averaged over the eight orientations to smooth its coarse grid."""
    heatmaps = image.network.grad_cam(image.orientations, np.repeat(patient[None], ORIENTATIONS, axis=0))
    upright = [orient_back(heatmap, view) for view, heatmap in enumerate(heatmaps)]
    return _stretched(np.mean(upright, axis=0), len(image.pixels))


def occlusion(image: EncodedImage, patient: NDArray[np.float32]) -> Heatmaps:
    """The share of the probability that goes when a patch is covered with the mean colour (Zeiler & Fergus 2014).

    Every covered image is another one, so that the encoder sees all of them.
    """
    pixels, cells = image.pixels, 7
    covered = np.repeat(pixels[None], cells * cells, axis=0)
    edges = np.linspace(0, len(pixels), cells + 1).astype(int)
    for cell, copy in enumerate(covered):
        row, column = divmod(cell, cells)
        copy[edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = pixels.mean(axis=(0, 1))
    embedding = image.network.encode(np.concatenate([pixels[None], covered])).embedding
    probabilities = image.network.classify(embedding, np.repeat(patient[None], len(embedding), axis=0))
    lost = np.maximum(probabilities[0] - probabilities[1:], 0).reshape(cells, cells, -1)
    return _stretched(lost, len(pixels))


def _stretched(grids: NDArray[np.float32], size: int) -> Heatmaps:
    """The grids of shape (height, width, n_classes) as smooth maps whose peak is 1; all 0 where nothing speaks for the class."""
    peaks = grids.max(axis=(0, 1))
    scaled = (grids / np.where(peaks > 0, peaks, 1)).astype(np.float32)
    grey = [Image.fromarray(grid) for grid in np.moveaxis(scaled, -1, 0)]
    return np.stack([np.asarray(grid.resize((size, size), Image.Resampling.BILINEAR)) for grid in grey], axis=-1)


EXPLANATIONS: dict[str, Explanation] = {
    "grad-cam": Explanation(
        "Grad-CAM",
        "It shows where the last layer finds evidence for this diagnosis, on a coarse grid stretched over the image; "
        "it does not show why, misses evidence against it, and can look convincing for a wrong answer.",
        grad_cam,
    ),
    "occlusion": Explanation(
        "Occlusion",
        "It shows where covering a patch lowers the probability of this diagnosis; a covered image is unlike any that "
        "the model was trained on, and evidence that stands in two places hides itself.",
        occlusion,
    ),
}
"""The explanations by the name that the app and scripts use."""
