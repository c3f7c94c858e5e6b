"""Variants of a training image."""

import dataclasses

import numpy as np
import pytest

from skin.config import TrainConfig
from skin.training.augmentation import AUGMENTATIONS, augment

IMAGE = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
SETTINGS = [name for _, names in AUGMENTATIONS for name in names]
STILL = dict.fromkeys(SETTINGS, 0) | {"flips": False}


def config(**fields: object) -> TrainConfig:
    return TrainConfig.parse({**STILL, **fields})


@pytest.mark.parametrize("name", SETTINGS)
def test_each_changes_the_picture_and_keeps_its_shape(name: str) -> None:
    rng = np.random.default_rng(1)
    variants = [augment(IMAGE, config(**{name: "true" if name == "flips" else 0.5}), rng) for _ in range(16)]
    assert all(variant.shape == IMAGE.shape and variant.dtype == np.uint8 for variant in variants)
    assert len({variant.tobytes() for variant in variants} - {IMAGE.tobytes()}) >= 4


def test_without_any_the_picture_is_untouched() -> None:
    assert np.array_equal(augment(IMAGE, config(), np.random.default_rng(0)), IMAGE)


@pytest.mark.parametrize("name", SETTINGS)
def test_one_that_is_off_draws_nothing(name: str) -> None:
    """So that a recipe of before gives the pictures of before."""
    everything = dict.fromkeys(SETTINGS, 0.3) | {"flips": True}
    rngs = [np.random.default_rng(5) for _ in range(2)]
    alone = [row for row in AUGMENTATIONS if name not in row[1]]
    settings = dataclasses.asdict(config(**everything)) | dict.fromkeys(
        next(names for _, names in AUGMENTATIONS if name in names), 0
    )
    picture = IMAGE
    for function, _ in alone:
        picture = function(picture, TrainConfig.parse(settings), rngs[0])
    assert np.array_equal(augment(IMAGE, TrainConfig.parse(settings), rngs[1]), picture)


@pytest.mark.parametrize("name", ["corruption", "vignette"])
def test_a_share_of_the_pictures_is_changed(name: str) -> None:
    rng = np.random.default_rng(2)
    changed = [not np.array_equal(augment(IMAGE, config(**{name: 0.25}), rng), IMAGE) for _ in range(400)]
    assert 0.17 < np.mean(changed) < 0.33


def test_zooming_out_keeps_the_whole_picture_in_a_mirrored_border() -> None:
    step = np.zeros((48, 48, 3), np.uint8)
    step[16:32, 16:32] = 255  # a bright square, whose area shrinks
    rng = np.random.default_rng(3)
    shares = [augment(step, config(zoom_out=0.6), rng).mean() / step.mean() for _ in range(20)]
    assert min(shares) < 0.75
    assert max(shares) < 1.05


def test_the_rim_is_dark_in_the_corners_and_spares_the_middle() -> None:
    white = np.full((48, 48, 3), 255, np.uint8)
    rims = np.stack([augment(white, config(vignette=1), np.random.default_rng(seed)) for seed in range(20)])
    assert rims[:, 20:28, 20:28].min() == 255
    assert (rims[:, 0, 0] < 128).all(axis=1).mean() > 0.7
