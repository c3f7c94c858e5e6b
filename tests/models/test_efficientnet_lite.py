"""The shipped backbones are the original networks, to the precision of their float16 files."""

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

from skin.models.efficientnet_lite import VARIANTS, efficientnet_lite
from skin.workspace import PROJECT

pytestmark = pytest.mark.slow


def weights_of(name: str) -> Path:
    return PROJECT / "assets" / f"{name}_imagenet.weights.h5"


@pytest.fixture(scope="module", params=VARIANTS)
def pretrained(request: pytest.FixtureRequest) -> keras.Model:
    return efficientnet_lite(request.param, 224, weights_of(request.param))


def scaled_photos() -> NDArray[np.float32]:
    photos = [Image.fromarray(photo) for photo in load_sample_images().images]
    pixels = np.stack([np.asarray(ImageOps.fit(photo, (224, 224), Image.Resampling.BICUBIC)) for photo in photos])
    return (pixels - np.float32(127)) / np.float32(128)


def stored_values(path: Path) -> list[NDArray[np.float16]]:
    values: list[NDArray[np.float16]] = []
    with h5py.File(path) as file:
        file.visititems(lambda _, item: values.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    return values


def test_features_of_photos_match_the_original_network(pretrained: keras.Model) -> None:
    features = np.asarray(pretrained.predict_on_batch(scaled_photos())).mean((1, 2))
    original = np.load(Path(__file__).parent / f"{pretrained.name}_photo_features.npy")
    assert features.shape == original.shape == (2, 1280)
    assert np.linalg.norm(features - original) < 0.01 * np.linalg.norm(original)


def test_the_file_holds_exactly_the_variables_of_the_network(pretrained: keras.Model) -> None:
    def fingerprints(values: list[NDArray[np.floating]]) -> list[tuple[tuple[int, ...], float]]:
        return sorted((value.shape, float(value.astype(np.float64).sum())) for value in values)

    stored = stored_values(weights_of(pretrained.name))
    assert {value.dtype for value in stored} == {np.dtype(np.float16)}
    assert fingerprints(stored) == fingerprints(pretrained.get_weights())


@pytest.mark.parametrize("name", VARIANTS)
def test_the_file_is_small_enough_to_ship(name: str) -> None:
    assert weights_of(name).stat().st_size < 10_000_000


@pytest.mark.parametrize(("image_size", "side"), [(32, 1), (100, 4), (224, 7)])
def test_feature_map_is_a_thirty_second_of_the_image(image_size: int, side: int) -> None:
    assert efficientnet_lite("efficientnet_lite0", image_size, None).output_shape == (None, side, side, 1280)
