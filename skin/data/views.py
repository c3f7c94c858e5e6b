"""The eight orientations of a dermatoscopic image: dermoscopy has no up."""

import numpy as np
from numpy.typing import NDArray

ORIENTATIONS = 8


def orient(images: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """The images, of shape (..., size, size, 3), turned by `orientation % 4` quarters; from 4 on also mirrored."""
    turned = np.rot90(images, orientation % 4, axes=(-3, -2))
    return turned[..., ::-1, :] if orientation >= 4 else turned


def orient_back(images: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """The inverse of `orient`: a picture that it turned and mirrored, upright again."""
    mirrored = images[..., ::-1, :] if orientation >= 4 else images
    return np.rot90(mirrored, -(orientation % 4), axes=(-3, -2))
