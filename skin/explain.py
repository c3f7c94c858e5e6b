"""Where in the image the answer comes from, as a map over the image, and what such a map cannot tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from skin.data.views import ORIENTATIONS, orient, orient_back
from skin.models.onnx import Network

Heatmap = NDArray[np.float32]


@dataclass(frozen=True)
class Explanation:
    """A row of EXPLANATIONS: `explain(network, pixels, patient, index)` gives the map for the class of that index.

    Pixels have shape (size, size, 3), the encoded patient (WIDTH,), the map (size, size) with values from 0 to 1.
    """

    title: str
    limits: str
    explain: Callable[[Network, NDArray[np.uint8], NDArray[np.float32], int], Heatmap]


def grad_cam(network: Network, pixels: NDArray[np.uint8], patient: NDArray[np.float32], index: int) -> Heatmap:
    """Grad-CAM (Selvaraju et al. 2017), averaged over the eight orientations to smooth its coarse grid."""
    views = np.stack([orient(pixels, view) for view in range(ORIENTATIONS)])
    heatmaps = network(views, np.repeat(patient[None], ORIENTATIONS, axis=0)).heatmap[..., index]
    upright = [orient_back(heatmap[..., None], view)[..., 0] for view, heatmap in enumerate(heatmaps)]
    return _stretched(np.mean(upright, axis=0), pixels.shape[0])


def occlusion(network: Network, pixels: NDArray[np.uint8], patient: NDArray[np.float32], index: int) -> Heatmap:
    """How much of the probability goes when a patch is covered with the mean colour (Zeiler & Fergus 2014)."""
    size, cells = pixels.shape[0], 7
    covered = np.repeat(pixels[None], cells * cells, axis=0)
    edges = np.linspace(0, size, cells + 1).astype(int)
    for cell, image in enumerate(covered):
        row, column = divmod(cell, cells)
        image[edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = pixels.mean(axis=(0, 1))
    images = np.concatenate([pixels[None], covered])
    probabilities = network(images, np.repeat(patient[None], len(images), axis=0)).probabilities[:, index]
    lost = np.maximum(probabilities[0] - probabilities[1:], 0).reshape(cells, cells)
    return _stretched(lost, size)


def _stretched(grid: NDArray[np.float32], size: int) -> Heatmap:
    """The grid as a smooth map of shape (size, size) whose peak is 1; all 0 where nothing speaks for the class."""
    peak = grid.max()
    scaled = (grid / peak if peak > 0 else grid).astype(np.float32)
    return np.asarray(Image.fromarray(scaled).resize((size, size), Image.Resampling.BILINEAR))


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
