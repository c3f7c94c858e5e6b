"""Ways in which a picture of the same lesion is worse, or sharper: trainings vary them, the audit measures them.

Every function takes a picture of shape (size, size, 3), uint8, and returns one of that shape; lengths are shares of its side.
"""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Picture = NDArray[np.uint8]
"""A picture as the network sees it, of shape (size, size, 3)."""


def downscale(picture: Picture, share: float) -> Picture:
    """The picture made smaller, to this share of its pixels a side, and enlarged again."""
    size = len(picture)
    small = max(1, round(size * share))
    image = Image.fromarray(picture).resize((small, small), Image.Resampling.BICUBIC)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))


def blur(picture: Picture, width: float) -> Picture:
    """The picture under a Gaussian blur of this standard deviation."""
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(width * len(picture))))


def sharpen(picture: Picture, strength: float) -> Picture:
    """The picture with so much of its difference from a blurred one added: what a sharper camera sees of edges and hairs."""
    mask = ImageFilter.UnsharpMask(radius=len(picture) / 100, percent=round(100 * strength), threshold=0)
    return np.asarray(Image.fromarray(picture).filter(mask))


def add_noise(picture: Picture, width: float, rng: np.random.Generator) -> Picture:
    """The picture with Gaussian noise of this standard deviation, as a share of the range of values."""
    noise = rng.standard_normal(picture.shape, np.float32)
    return to_bytes(picture.astype(np.float32) + np.float32(255 * width) * noise)


def brighten(picture: Picture, gain: float) -> Picture:
    """The picture in so much of its own light."""
    return to_bytes(picture.astype(np.float32) * np.float32(gain))


def tint(picture: Picture, share: float) -> Picture:
    """The picture with this share more red and less blue."""
    return to_bytes(picture.astype(np.float32) * np.array([1 + share, 1, 1 - share], np.float32))


def compress(picture: Picture, quality: float) -> Picture:
    """The picture after JPEG compression of this quality, 1 to 100."""
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=round(quality))
    return np.asarray(Image.open(buffer))


def to_bytes(values: NDArray[np.float32]) -> Picture:
    """The values rounded and clipped to 0..255."""
    return values.round().clip(0, 255).astype(np.uint8)
