"""The cut between encoder and head: what it gives is what the whole network gives."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from ham import someone

from skin import run as runs
from skin.config import HEADS, MODELS, TrainConfig
from skin.data.views import ORIENTATIONS, orient
from skin.inference.predictor import SHIPPED
from skin.models.export import export, halve
from skin.models.network import Features, encode_image, row_probabilities
from skin.models.onnx import OnnxNetwork
from skin.patient import Patient
from skin.run import Run
from skin.task import HAM10000
from skin.workspace import Workspace

PATIENTS = [someone(), someone(30, "female", "back"), someone(75, "male", "ear")]


def whole(path: Path, images: np.ndarray, patients: Sequence[Patient]) -> list[np.ndarray]:
    """Probabilities, embedding and heatmap of the file's one graph, as ONNX Runtime gives them."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    takes = {node.name for node in session.get_inputs()}
    inputs = {"image": images, "patient": HAM10000.encode(patients)}
    return session.run(["probabilities", "embedding", "heatmap"], {name: inputs[name] for name in takes})


def check(path: Path) -> None:
    """The network's parts, one after the other, against its graph in one."""
    network = OnnxNetwork(path, HAM10000)
    size = (len(PATIENTS), network.image_size, network.image_size, 3)
    images = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    probabilities, embedding, heatmap = whole(path, images, PATIENTS)
    features, patients = network.encode(images), HAM10000.encode(PATIENTS)
    np.testing.assert_allclose(features.embedding, embedding, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(network.classify(features.embedding, patients), probabilities, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(network.grad_cam(features, patients), heatmap, rtol=1e-5, atol=1e-6)
    assert heatmap.any()


@pytest.mark.parametrize("name", SHIPPED.values())
def test_a_shipped_network_answers_the_same_in_parts(name: str, workspace: Workspace) -> None:
    check(runs.get(workspace, name).onnx_path)


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("model", MODELS)
def test_an_exported_network_answers_the_same_in_parts(
    model: str, head: str, workspace: Workspace, tmp_path: Path
) -> None:
    from skin.models.classifier import build_classifier  # Keras takes seconds to load

    config = TrainConfig.parse({"image_size": 64, "model": model, "head": head})
    path = tmp_path / "model.onnx"
    export(build_classifier(config, HAM10000, workspace).for_inference(), path, HAM10000, temperature=1.5)
    check(path)
    halve(path)
    check(path)


@pytest.fixture
def multimodal(workspace: Workspace) -> Run:
    """The shipped run that heeds the patient."""
    return runs.get(workspace, SHIPPED["multimodal"])


class Counting(OnnxNetwork):
    """A network that counts the images it encodes."""

    seen = 0

    def encode(self, images: np.ndarray) -> Features:
        self.seen += len(images)
        return super().encode(images)


def test_many_patients_ask_an_image_that_is_encoded_once(multimodal: Run) -> None:
    network = Counting(multimodal.onnx_path, HAM10000)
    pixels = np.random.default_rng(1).integers(0, 256, (network.image_size, network.image_size, 3), np.uint8)
    patients = HAM10000.encode(PATIENTS)
    repeated, rows = np.repeat(pixels[None], len(PATIENTS), axis=0), np.arange(len(PATIENTS))
    each = row_probabilities(network, repeated, patients, rows, ORIENTATIONS).mean(axis=0)
    network.seen = 0
    image = encode_image(network, pixels, ORIENTATIONS)
    np.testing.assert_allclose(image.probabilities(patients), each, atol=1e-6)
    assert not np.allclose(each[0], each[1], atol=1e-4)
    assert image.orientations is image.views
    assert network.seen == ORIENTATIONS


def test_orientations_that_no_prediction_needed_are_encoded_when_they_are(multimodal: Run) -> None:
    network = Counting(multimodal.onnx_path, HAM10000)
    pixels = np.random.default_rng(2).integers(0, 256, (network.image_size, network.image_size, 3), np.uint8)
    network.seen = 0
    image = encode_image(network, pixels, 1)
    image.probabilities(HAM10000.encode(PATIENTS))
    assert network.seen == 1
    turned = np.stack([orient(pixels, orientation) for orientation in range(ORIENTATIONS)])
    np.testing.assert_allclose(image.orientations.embedding, network.encode(turned).embedding, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(image.orientations.feature_map, network.encode(turned).feature_map, rtol=1e-4, atol=1e-5)
