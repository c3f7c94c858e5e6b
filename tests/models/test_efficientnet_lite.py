"""The shipped backbone is the original network, to the precision of its float16 file."""

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

from skin.models.efficientnet_lite import efficientnet_lite0
from skin.workspace import PROJECT

WEIGHTS = PROJECT / "assets" / "efficientnet_lite0_imagenet.weights.h5"
ORIGINAL_FEATURES = Path(__file__).parent / "efficientnet_lite0_photo_features.npy"


@pytest.fixture(scope="module")
def pretrained() -> keras.Model:
    return efficientnet_lite0(224, WEIGHTS)


def scaled_photos() -> NDArray[np.float32]:
    photos = [Image.fromarray(photo) for photo in load_sample_images().images]
    pixels = np.stack([np.asarray(ImageOps.fit(photo, (224, 224), Image.Resampling.BICUBIC)) for photo in photos])
    return (pixels - np.float32(127)) / np.float32(128)


def stored_values() -> list[NDArray[np.float16]]:
    values: list[NDArray[np.float16]] = []
    with h5py.File(WEIGHTS) as file:
        file.visititems(lambda _, item: values.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    return values


def test_features_of_photos_match_the_original_network(pretrained: keras.Model) -> None:
    features = np.asarray(pretrained.predict_on_batch(scaled_photos())).mean((1, 2))
    original = np.load(ORIGINAL_FEATURES)
    assert features.shape == original.shape == (2, 1280)
    assert np.linalg.norm(features - original) < 0.01 * np.linalg.norm(original)


def test_the_file_holds_exactly_the_variables_of_the_network(pretrained: keras.Model) -> None:
    def fingerprints(values: list[NDArray[np.floating]]) -> list[tuple[tuple[int, ...], float]]:
        return sorted((value.shape, float(value.astype(np.float64).sum())) for value in values)

    stored = stored_values()
    assert {value.dtype for value in stored} == {np.dtype(np.float16)}
    assert fingerprints(stored) == fingerprints(pretrained.get_weights())


def test_the_file_is_small_enough_to_ship() -> None:
    assert WEIGHTS.stat().st_size < 10_000_000


@pytest.mark.parametrize(("image_size", "side"), [(32, 1), (100, 4), (224, 7)])
def test_feature_map_is_a_thirty_second_of_the_image(image_size: int, side: int) -> None:
    assert efficientnet_lite0(image_size, None).output_shape == (None, side, side, 1280)
