"""The two classifiers, and the heatmap that they compute beside the answer."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from ham import CODES, someone

from skin.config import HEADS, MODELS, TrainConfig
from skin.models import export
from skin.models.classifier import Classifier, build_classifier
from skin.models.onnx import OnnxNetwork
from skin.task import HAM10000
from skin.workspace import Workspace

pytestmark = pytest.mark.slow

PATIENTS = HAM10000.encode([someone(50), someone()])
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)


def build(workspace: Workspace, **fields: object) -> Classifier:
    return build_classifier(TrainConfig.parse({"image_size": 64, **fields}), HAM10000, workspace)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("model", MODELS)
def test_heatmap_is_the_grad_cam_of_automatic_differentiation(model: str, head: str, workspace: Workspace) -> None:
    classifier = build(workspace, model=model, head=head)
    inputs = [IMAGES, PATIENTS][: 2 if model == "multimodal" else 1]
    _, _, heatmap = classifier.for_inference().predict_on_batch(inputs)
    feature_map = tf.convert_to_tensor(classifier.backbone.predict_on_batch(IMAGES))
    head_inputs = [tf.convert_to_tensor(value) for value in inputs[1:]]
    assert heatmap.max() > 0
    for index in range(len(CODES)):
        with tf.GradientTape() as tape:
            tape.watch(feature_map)
            logits = classifier.head([tf.reduce_mean(feature_map, (1, 2)), *head_inputs])
            logit = logits[:, index]
        weights = tf.reduce_mean(tape.gradient(logit, feature_map), (1, 2), keepdims=True)
        expected = tf.nn.relu(tf.reduce_sum(weights * feature_map, -1)).numpy()
        np.testing.assert_allclose(heatmap[..., index], expected, rtol=1e-3, atol=1e-5)


def test_image_only_and_multimodal_share_the_width_of_the_head(workspace: Workspace) -> None:
    widths = {build(workspace, model=model).head.get_layer("hidden").units for model in MODELS}
    assert len(widths) == 1


def test_the_additive_head_answers_at_first_as_the_image_only_one(workspace: Workspace) -> None:
    """What is known of the patient starts from nothing, and adds the same to the logits whatever the picture."""
    classifier = build(workspace, model="multimodal", head="additive", seed=3)
    image_only = build(workspace, model="image", seed=3)
    for name in ("hidden", "logits"):
        classifier.head.get_layer(name).set_weights(image_only.head.get_layer(name).get_weights())
    before = classifier.network.predict_on_batch([IMAGES, PATIENTS])
    np.testing.assert_allclose(before, image_only.network.predict_on_batch(IMAGES), rtol=1e-5, atol=1e-6)

    added = classifier.head.get_layer("patient_logits")
    added.set_weights([np.random.default_rng(0).normal(size=kernel.shape) for kernel in added.get_weights()])
    swapped = classifier.network.predict_on_batch([IMAGES, PATIENTS[::-1]])
    straight = classifier.network.predict_on_batch([IMAGES, PATIENTS])
    np.testing.assert_allclose((swapped - straight)[0], -(swapped - straight)[1], rtol=1e-3, atol=1e-5)
    assert np.abs(swapped - straight).max() > 0.01


def test_only_the_multimodal_model_looks_at_the_patient(workspace: Workspace) -> None:
    image, multimodal = (build(workspace, model=model).network for model in MODELS)
    assert [node.name for node in image.inputs] == ["image"]
    one, other = (multimodal.predict_on_batch([IMAGES[:1], PATIENTS[row : row + 1]]) for row in (0, 1))
    assert not np.allclose(one, other)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_mixed_precision_is_in_the_arithmetic_alone(precision: str, head: str, workspace: Workspace) -> None:
    network = build(workspace, model="multimodal", head=head, mixed_precision=precision).network
    layers = list(network._flatten_layers())
    assert {str(layer.compute_dtype) for layer in layers if isinstance(layer, keras.layers.Conv2D)} == {precision}
    assert {str(variable.dtype) for variable in network.weights} == {"float32"}
    assert network.predict_on_batch([IMAGES, PATIENTS]).dtype == np.float32
    assert keras.config.dtype_policy().name == "float32"  # what is built afterwards is not concerned


def test_mixed_precision_changes_little(workspace: Workspace) -> None:
    plain, mixed = (build(workspace, mixed_precision=name).network for name in ("off", "bfloat16"))
    expected = plain.predict_on_batch(IMAGES)
    answered = mixed.predict_on_batch(IMAGES)
    assert not np.array_equal(answered, expected)
    np.testing.assert_allclose(answered, expected, atol=0.1)


def test_same_seed_gives_the_same_head(workspace: Workspace) -> None:
    first, second = (build(workspace, seed=7).head.get_weights() for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def answers(path: Path) -> np.ndarray:
    network = OnnxNetwork(path, HAM10000)
    return network.classify(network.encode(IMAGES).embedding, PATIENTS)


def test_temperature_softens_and_half_precision_barely_matters(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export.export(build(workspace).for_inference(), path, HAM10000)
    sharp = answers(path)
    export.set_temperature(path, 4.0)
    soft = answers(path)
    assert (soft.max(axis=1) < sharp.max(axis=1)).all()
    assert (soft.argmax(axis=1) == sharp.argmax(axis=1)).all()
    size = path.stat().st_size
    export.halve(path)
    assert path.stat().st_size < 0.55 * size < 10e6
    np.testing.assert_allclose(answers(path), soft, atol=2e-3)


def test_dropout_is_off_and_statistics_are_frozen_in_features(workspace: Workspace) -> None:
    backbone = build(workspace).backbone
    before = [np.array(weight) for weight in keras.tree.map_structure(lambda v: v.numpy(), backbone.weights)]
    first, second = (backbone.predict_on_batch(IMAGES) for _ in range(2))
    assert np.array_equal(first, second)
    assert all(np.array_equal(a, b) for a, b in zip(before, backbone.get_weights(), strict=True))
