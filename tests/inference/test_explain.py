"""Every row of EXPLANATIONS, on networks of which is known where they look."""

import numpy as np
import pytest
from ham import CODES, UNKNOWN, someone
from numpy.typing import NDArray

from skin.inference.explain import EXPLANATIONS
from skin.inference.predictor import SHIPPED
from skin.models.network import Features, encode_image
from skin.models.onnx import OnnxNetwork
from skin.run import Run
from skin.task import HAM10000
from skin.workspace import PROJECT

SIZE = 56
CELL = 8
MELANOMA = CODES.index("mel")


class LooksForLight:
    """The lighter a place is, the more it speaks for melanoma; the patient does not matter."""

    def encode(self, images: NDArray[np.uint8]) -> Features:
        cells = images.mean(axis=-1).reshape(len(images), SIZE // CELL, CELL, SIZE // CELL, CELL)
        light = cells.mean(axis=(2, 4))[..., None].astype(np.float32) / 255
        return Features(light, light.mean(axis=(1, 2)))

    def classify(self, embedding: NDArray[np.float32], patients: NDArray[np.float32]) -> NDArray[np.float32]:
        assert len(embedding) == len(patients)
        probabilities = np.full((len(embedding), 7), 0.05, np.float32)
        probabilities[:, MELANOMA] = embedding[:, 0]
        return probabilities

    def grad_cam(self, features: Features, patients: NDArray[np.float32]) -> NDArray[np.float32]:
        assert len(features.embedding) == len(patients)
        return features.feature_map * np.eye(7, dtype=np.float32)[MELANOMA]


def light_at(row: int, column: int) -> NDArray[np.uint8]:
    pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
    pixels[row : row + CELL, column : column + CELL] = 255
    return pixels


@pytest.mark.parametrize("name", EXPLANATIONS)
@pytest.mark.parametrize("views", [1, 8])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 48), (48, 8), (24, 32)])
def test_the_peak_lies_where_the_network_looks(name: str, row: int, column: int, views: int) -> None:
    image = encode_image(LooksForLight(), light_at(row, column), views)
    heatmap = EXPLANATIONS[name].explain(image, UNKNOWN)[..., MELANOMA]
    assert heatmap.shape == (SIZE, SIZE)
    assert 0.8 < heatmap.max() <= 1  # between the centres of two cells the peak is flattened
    assert heatmap.min() >= 0
    peak = np.unravel_index(heatmap.argmax(), heatmap.shape)
    assert row <= peak[0] < row + CELL
    assert column <= peak[1] < column + CELL


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_where_nothing_speaks_for_a_diagnosis_the_map_is_empty(name: str) -> None:
    heatmaps = EXPLANATIONS[name].explain(encode_image(LooksForLight(), light_at(8, 8), 8), UNKNOWN)
    assert not np.delete(heatmaps, MELANOMA, axis=-1).any()


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_every_row_explains_a_trained_network_and_says_what_it_cannot(name: str) -> None:
    network = OnnxNetwork(Run(PROJECT / "checkpoints" / SHIPPED["multimodal"]).onnx_path, HAM10000)
    pixels = np.random.default_rng(0).integers(0, 256, (network.image_size, network.image_size, 3), np.uint8)
    before = pixels.copy()
    heatmaps = EXPLANATIONS[name].explain(encode_image(network, pixels, 1), HAM10000.encode([someone(60)])[0])
    assert heatmaps.shape == (*pixels.shape[:2], len(CODES))
    assert 0 <= heatmaps.min() <= heatmaps.max() <= 1
    np.testing.assert_array_equal(pixels, before)
    assert EXPLANATIONS[name].limits.endswith(".")
