"""Random variants of the training images.

A picture goes through AUGMENTATIONS in order, each with its own setting of TrainConfig. One that is off draws nothing, so
that a recipe gives the same pictures whatever is added to the table.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from skin.config import TrainConfig
from skin.data import corruptions
from skin.data.corruptions import Picture
from skin.data.views import ORIENTATIONS, orient

Rng = np.random.Generator


def augment(picture: Picture, config: TrainConfig, rng: Rng) -> Picture:
    """A random variant of a picture of shape (size, size, 3), as the configuration allows."""
    for function, settings in AUGMENTATIONS:
        if any(getattr(config, name) for name in settings):
            picture = function(picture, config, rng)
    return picture


def _zoom(picture: Picture, config: TrainConfig, rng: Rng) -> Picture:
    """The picture cropped, or made smaller in a border of mirrored skin, by up to the configured shares of the side."""
    size = len(picture)
    if config.zoom_out and rng.random() < config.zoom_out / (config.zoom + config.zoom_out):
        border = round(size * config.zoom_out * rng.random() / 2)
        picture = np.pad(picture, ((border, border), (border, border), (0, 0)), "reflect")
        return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR))
    side = size * (1 - config.zoom * rng.random())
    left, top = rng.random(2) * (size - side)
    box = (left, top, left + side, top + side)
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR, box))


def _turn(picture: Picture, _: TrainConfig, rng: Rng) -> Picture:
    return orient(picture, int(rng.integers(ORIENTATIONS)))


def _recolour(picture: Picture, config: TrainConfig, rng: Rng) -> Picture:
    gains = (1 + config.brightness * rng.uniform(-1, 1)) * (1 + config.colour * rng.uniform(-1, 1, 3))
    # A table of 256 entries a channel is several times faster than arithmetic on every pixel.
    table = np.clip(np.arange(256)[:, None] * gains, 0, 255).astype(np.uint8)
    return np.stack([table[picture[..., channel], channel] for channel in range(3)], axis=-1)


def _corrupt(picture: Picture, config: TrainConfig, rng: Rng) -> Picture:
    """The configured share of the pictures in one of _CORRUPTIONS, by a level anywhere between its ends."""
    if rng.random() >= config.corruption:
        return picture
    function, low, high = _CORRUPTIONS[rng.integers(len(_CORRUPTIONS))]
    return function(picture, rng.uniform(low, high), rng)


def _vignette(picture: Picture, config: TrainConfig, rng: Rng) -> Picture:
    """The configured share of the pictures with the dark rim of a dermatoscope's round field of view.

    The circle reaches from the sides, or a bit within them, to the corners; its edge is sharp or soft.
    """
    if rng.random() >= config.vignette:
        return picture
    size = len(picture)
    x, y = (np.arange(size) + 0.5) / size - 0.5 - rng.uniform(-0.04, 0.04, 2)[:, None]
    distance = np.hypot(x[None, :], y[:, None])
    light = np.clip((rng.uniform(0.46, 0.66) - distance) / rng.uniform(0.01, 0.15) + 0.5, 0, 1)[..., None]
    return corruptions.to_bytes(picture * np.float32(1) * light.astype(np.float32))


_CORRUPTIONS: tuple[tuple[Callable[[Picture, float, Rng], Picture], float, float], ...] = (
    (lambda picture, level, _: corruptions.downscale(picture, level), 0.25, 1.0),
    (lambda picture, level, _: corruptions.blur(picture, level), 0.0, 0.015),
    (lambda picture, level, _: corruptions.sharpen(picture, level), 0.0, 2.0),
    (corruptions.add_noise, 0.0, 0.08),
    (lambda picture, level, _: corruptions.compress(picture, level), 10, 95),
)
"""The corruptions that a training draws from, each with the ends of its level."""

AUGMENTATIONS: tuple[tuple[Callable[[Picture, TrainConfig, Rng], Picture], tuple[str, ...]], ...] = (
    (_zoom, ("zoom", "zoom_out")),
    (_turn, ("flips",)),
    (_recolour, ("brightness", "colour")),
    (_vignette, ("vignette",)),
    (_corrupt, ("corruption",)),
)
"""The augmentations in their order, each with the settings that turn it on."""
