"""Every row of BACKBONES keeps the contract of the table."""

from pathlib import Path

import keras
import numpy as np
import pytest
from ham import someone

from skin.config import TrainConfig
from skin.errors import UsageError, UserError
from skin.models.backbones import BACKBONES, UNIT, build_backbone, scaled
from skin.models.classifier import build_classifier
from skin.models.export import export
from skin.models.network import KerasNetwork
from skin.models.onnx import OnnxNetwork
from skin.task import HAM10000
from skin.workspace import Workspace

pytestmark = pytest.mark.slow

PATIENTS = HAM10000.encode([someone(50), someone(30, "male", "back"), someone()])


def untrained(**fields: object) -> TrainConfig:
    return TrainConfig.parse({"weights": "none", "image_size": 64, "model": "multimodal", **fields})


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)


LARGE = ("convnext_tiny", "efficientnet_lite1", "efficientnet_lite2", "efficientnet_v2_b0", "resnet50")
"""Backbones whose export takes up to half a minute each, and those that differ from another in their size alone."""

EXPORTED = [pytest.param(name, marks=pytest.mark.exhaustive if name in LARGE else ()) for name in BACKBONES]


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPORTED)
def test_exported_network_answers_as_keras_does(
    name: str, images: np.ndarray, workspace: Workspace, tmp_path: Path
) -> None:
    classifier = build_classifier(untrained(backbone=name), HAM10000, workspace)
    export(classifier.for_inference(), tmp_path / "model.onnx", HAM10000)
    exported, trained = OnnxNetwork(tmp_path / "model.onnx", HAM10000), KerasNetwork(classifier)
    ours, theirs = exported.encode(images), trained.encode(images)
    np.testing.assert_allclose(ours.embedding, theirs.embedding, rtol=1e-3, atol=1e-4)
    answers = [network.classify(seen.embedding, PATIENTS) for network, seen in ((exported, ours), (trained, theirs))]
    np.testing.assert_allclose(*answers, atol=1e-4)
    heatmaps = [network.grad_cam(seen, PATIENTS) for network, seen in ((exported, ours), (trained, theirs))]
    np.testing.assert_allclose(*heatmaps, rtol=1e-3, atol=1e-4)


KERAS_PREPROCESSING = {
    "resnet50": keras.applications.resnet50.preprocess_input,
    "efficientnet_v2_b0": lambda pixels: (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
    "convnext_tiny": lambda pixels: (pixels - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375],
    "mobilenet_v3_large": lambda pixels: pixels / 127.5 - 1,
    **{f"efficientnet_lite{number}": lambda pixels: (pixels - 127) / 128 for number in range(3)},
}


@pytest.mark.parametrize("name", BACKBONES)
def test_pixels_are_scaled_as_the_weights_expect(name: str, images: np.ndarray) -> None:
    expected = KERAS_PREPROCESSING[name](images.astype(np.float32))
    np.testing.assert_allclose(scaled(images, BACKBONES[name].scaling), expected, atol=1e-4)


def test_unit_scaling_ignores_what_the_weights_expect(images: np.ndarray, workspace: Workspace) -> None:
    np.testing.assert_allclose(scaled(images, UNIT), images / 255, atol=1e-6)
    as_expected, as_unit = (
        build_backbone(untrained(scaling=scaling, weights="imagenet"), workspace).predict_on_batch(images)
        for scaling in ("pretrained", "unit")
    )
    assert not np.allclose(as_expected, as_unit)


def test_weights_that_cannot_be_had_name_the_choices(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workspace: Workspace
) -> None:
    for scheme in ("http_proxy", "https_proxy"):  # a port that refuses, so that the test is the same without a network
        monkeypatch.setenv(scheme, "http://127.0.0.1:9")
    monkeypatch.setattr(keras.config, "keras_home", lambda: str(tmp_path), raising=False)
    config = untrained(backbone="mobilenet_v3_large", weights="imagenet")
    with pytest.raises(UserError, match=r"could not be had .*efficientnet_lite0.*weights file.*none"):
        build_backbone(config, workspace)


def test_weights_file_that_is_not_there_is_named(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match=r"no weights file 'missing\.h5'"):
        build_backbone(untrained(weights="missing.h5"), workspace)


def test_unknown_backbone_is_refused(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="efficientnet_lite0"):
        build_backbone(untrained(backbone="vgg99"), workspace)


ORIGINALS = {
    "resnet50": ("ResNet50", {}),
    "efficientnet_v2_b0": ("EfficientNetV2B0", {"include_preprocessing": False}),
    "convnext_tiny": ("ConvNeXtTiny", {"include_preprocessing": False}),
    "mobilenet_v3_large": ("MobileNetV3Large", {"include_preprocessing": False}),
}


@pytest.mark.parametrize("name", ORIGINALS)
def test_adapted_layers_compute_what_those_of_keras_did(name: str, images: np.ndarray, workspace: Workspace) -> None:
    config = untrained(backbone=name, scaling="unit")
    keras.utils.set_random_seed(1)
    ours = build_backbone(config, workspace)
    keras.utils.set_random_seed(1)
    application, options = ORIGINALS[name]
    original = getattr(keras.applications, application)(
        include_top=False, weights=None, input_shape=(64, 64, 3), **options
    )
    expected = original.predict_on_batch(images.astype(np.float32) / 255)
    np.testing.assert_allclose(ours.predict_on_batch(images), expected, atol=1e-4)
