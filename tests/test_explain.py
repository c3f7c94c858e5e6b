"""Every row of EXPLANATIONS, on networks of which is known where they look."""

import numpy as np
import pytest
from numpy.typing import NDArray

from skin.explain import EXPLANATIONS
from skin.lesion import CODES
from skin.models.onnx import OnnxNetwork, Outputs
from skin.patient import UNKNOWN, Patient, encode
from skin.run import Run

SIZE = 56
CELL = 8
MELANOMA = CODES.index("mel")


def looks_for_light(images: NDArray[np.uint8], patients: NDArray[np.float32]) -> Outputs:
    """The lighter a place is, the more it speaks for melanoma; the patient does not matter."""
    light = images.mean(axis=-1).reshape(len(images), SIZE // CELL, CELL, SIZE // CELL, CELL).mean(axis=(2, 4)) / 255
    heatmap = np.zeros((*light.shape, 7), np.float32)
    heatmap[..., MELANOMA] = light
    probabilities = np.full((len(images), 7), 0.05, np.float32)
    probabilities[:, MELANOMA] = light.mean(axis=(1, 2))
    return Outputs(probabilities, np.zeros((len(images), len(patients)), np.float32), heatmap)


def light_at(row: int, column: int) -> NDArray[np.uint8]:
    pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
    pixels[row : row + CELL, column : column + CELL] = 255
    return pixels


@pytest.mark.parametrize("name", EXPLANATIONS)
@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 48), (48, 8), (24, 32)])
def test_the_peak_lies_where_the_network_looks(name: str, row: int, column: int) -> None:
    heatmap = EXPLANATIONS[name].explain(looks_for_light, light_at(row, column), UNKNOWN, MELANOMA)
    assert heatmap.shape == (SIZE, SIZE)
    assert 0.8 < heatmap.max() <= 1  # between the centres of two cells the peak is flattened
    assert heatmap.min() >= 0
    peak = np.unravel_index(heatmap.argmax(), heatmap.shape)
    assert row <= peak[0] < row + CELL
    assert column <= peak[1] < column + CELL


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_where_nothing_speaks_for_a_diagnosis_the_map_is_empty(name: str) -> None:
    heatmap = EXPLANATIONS[name].explain(looks_for_light, light_at(8, 8), UNKNOWN, CODES.index("nv"))
    assert not heatmap.any()


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_every_row_explains_a_trained_network_and_says_what_it_cannot(name: str, trained_run: Run) -> None:
    network = OnnxNetwork(trained_run.onnx_path)
    pixels = np.random.default_rng(0).integers(0, 256, (network.image_size, network.image_size, 3), np.uint8)
    before = pixels.copy()
    heatmap = EXPLANATIONS[name].explain(network, pixels, encode([Patient(60)])[0], MELANOMA)
    assert heatmap.shape == pixels.shape[:2]
    assert 0 <= heatmap.min() <= heatmap.max() <= 1
    np.testing.assert_array_equal(pixels, before)
    assert EXPLANATIONS[name].limits.endswith(".")
