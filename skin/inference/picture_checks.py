"""Plain checks of a picture, beside what a network makes of it: blur, darkness, and the lesion's place in it.

Each is a number that is larger the better the picture is, and is measured at the size of the network's input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skin.data.lesion_mask import Mask, lesion_mask

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Check:
    """A row of CHECKS. `limit` is the largest bound that is ever asked for, whatever the validation part allows.

    `measure` takes a picture of shape (size, size, 3) and the mask of its lesion.
    """

    measure: Callable[[Pixels, Mask], float]
    reason: str
    limit: float = np.inf


def brightness(pixels: Pixels, mask: Mask) -> float:  # noqa: ARG001 (as all)
    """The brightness, from 0 to 255, that a quarter of the picture exceeds, so that a black frame does not count."""
    return float(np.percentile(pixels.mean(axis=-1), 75))


def sharpness(pixels: Pixels, mask: Mask) -> float:  # noqa: ARG001 (as all)
    """The standard deviation of the Laplacian of the brightness (Pech-Pacheco et al. 2000)."""
    return float(ndimage.laplace(pixels.mean(axis=-1)).std())


def filled(pixels: Pixels, mask: Mask) -> float:  # noqa: ARG001 (as all)
    """The share of the picture that the lesion fills."""
    return float(mask.mean())


def free_border(pixels: Pixels, mask: Mask) -> float:  # noqa: ARG001 (as all)
    """The share of the picture's border that the lesion leaves free."""
    return 1 - float(np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).mean())


CHECKS: dict[str, Check] = {
    "brightness": Check(
        brightness,
        "The picture is darker than those that this model learned from: take it with more light. Where it is the skin that "
        "is dark, this model has not learned to judge it.",
    ),
    "sharpness": Check(sharpness, "The picture is too blurred: take it in focus, or at a higher resolution."),
    "filled": Check(
        filled, "What could be the lesion fills too little of the picture: move closer, or cut the picture.", 0.02
    ),
    "free border": Check(free_border, "The lesion is cut off by the border of the picture: take it as a whole."),
}
"""The checks by name, in the order in which they are told."""


def measure(pixels: Pixels) -> dict[str, float]:
    """The value of each check for a picture of shape (size, size, 3)."""
    mask = lesion_mask(pixels)
    return {name: check.measure(pixels, mask) for name, check in CHECKS.items()}
