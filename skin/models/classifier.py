"""The two classifiers: an image alone, or an image with what is known of the patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
from keras import layers, ops

from skin.config import TrainConfig
from skin.models.backbones import build_backbone
from skin.task import Task
from skin.workspace import Workspace


@dataclass(frozen=True)
class Classifier:
    """The parts of one network, which share their weights.

    `backbone` maps images of shape (n, size, size, 3), uint8, to a feature map of shape (n, height, width, channels);
    `head` maps the pooled embedding, of shape (n, channels), and for the multimodal model the encoded patients, to
    logits of shape (n, n_classes); `network` is both in a row; `hidden` names the head's dense layers between embedding and
    logits, in order.
    """

    backbone: keras.Model
    head: keras.Model
    network: keras.Model
    hidden: tuple[str, ...]

    @cached_property
    def encoder(self) -> keras.Model:
        """Images to feature map and embedding."""
        embedding = layers.GlobalAveragePooling2D(name="embedding")(self.backbone.output)
        return keras.Model(self.backbone.input, [self.backbone.output, embedding], name="encoder")

    @cached_property
    def grad_cam(self) -> keras.Model:
        """Feature map, embedding and, for the multimodal model, patients to the Grad-CAM map of every class."""
        dense = [self.head.get_layer(name) for name in self.hidden]
        # The logits stand among the outputs because Keras wants every input to lead to one.
        inner = keras.Model(self.head.inputs, [self.head.output, *(layer.output for layer in dense)])
        feature_map = keras.Input(self.backbone.output.shape[1:], name="feature_map")
        head_inputs = [keras.Input(value.shape[1:], name=value.name) for value in self.head.inputs]
        _, *activations = inner(head_inputs)
        heatmap = GradCam([layer.kernel for layer in [*dense, self.head.get_layer("logits")]], name="gradcam")
        return keras.Model([feature_map, *head_inputs], heatmap([feature_map, *activations]), name="grad_cam")

    def for_inference(self) -> keras.Model:
        """The network that is exported: logits, embedding and the Grad-CAM map of every class."""
        feature_map, embedding = self.encoder.outputs
        patients = self.network.inputs[1:]
        logits = self.head([embedding, *patients])
        heatmap = self.grad_cam([feature_map, embedding, *patients])
        return keras.Model([self.encoder.input, *patients], [logits, embedding, heatmap])


def build_classifier(config: TrainConfig, task: Task, workspace: Workspace) -> Classifier:
    """The classifier of the task that the configuration describes, with pretrained backbone and a new head.

    Raises UserError when the pretrained weights are not to be had.
    """
    with _dtype_policy(config.mixed_precision):
        return _build(config, task, workspace)


@contextmanager
def _dtype_policy(mixed_precision: str) -> Iterator[None]:
    """Has Keras build layers that keep float32 variables and compute in `mixed_precision`, unless it is "off"."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if mixed_precision == "off" else f"mixed_{mixed_precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _build(config: TrainConfig, task: Task, workspace: Workspace) -> Classifier:
    keras.utils.set_random_seed(config.seed)
    backbone = build_backbone(config, workspace)
    embedding = keras.Input(backbone.output.shape[-1:], name="embedding")
    patients = [keras.Input((task.width,), name="patient")] if config.model == "multimodal" else []
    logits, hidden = _HEADS[config.head](config, len(task), embedding, patients)
    head = keras.Model([embedding, *patients], logits, name="head")
    image = keras.Input(backbone.input.shape[1:], dtype="uint8", name="image")
    pooled = layers.GlobalAveragePooling2D()(backbone(image))
    network = keras.Model([image, *patients], head([pooled, *patients]), name="network")
    return Classifier(backbone, head, network, hidden)


def _logits(n_classes: int, x: Any) -> Any:
    return layers.Dense(n_classes, dtype="float32", name="logits")(x)


def _fair_head(config: TrainConfig, n_classes: int, embedding: Any, patients: list[Any]) -> tuple[Any, tuple[str, ...]]:
    """Both models get one head of one width; the patient branch is concatenated to its hidden layer."""
    x = layers.Dropout(config.dropout)(embedding)
    x = layers.Dense(config.head_width, activation="relu", name="hidden")(x)
    if patients:
        branch = layers.Dense(32, activation="relu", name="patient_hidden")(patients[0])
        x = layers.Concatenate()([x, branch])
    x = layers.Dropout(config.dropout)(x)
    return _logits(n_classes, x), ("hidden",)


def _additive_head(
    config: TrainConfig, n_classes: int, embedding: Any, patients: list[Any]
) -> tuple[Any, tuple[str, ...]]:
    """The image-only head; what is known of the patient adds to its logits and cannot change how a picture is read."""
    logits, hidden = _fair_head(config, n_classes, embedding, [])
    added = [_patient_logits(config, n_classes, patient) for patient in patients]
    return (layers.Add(dtype="float32", name="sum")([logits, *added]) if added else logits), hidden


def _patient_logits(config: TrainConfig, n_classes: int, patient: Any) -> Any:
    """Log-odds of the classes from the patient alone, all 0 before training: independent evidence beside the picture."""
    x = layers.Dense(32, activation="relu", name="patient_hidden")(patient)
    x = layers.Dropout(config.dropout)(x)
    return layers.Dense(n_classes, kernel_initializer="zeros", use_bias=False, dtype="float32", name="patient_logits")(
        x
    )


def _reference_head(_: TrainConfig, n_classes: int, embedding: Any, patients: list[Any]) -> tuple[Any, tuple[str, ...]]:
    """The layers of the reference system, whose two models differ in more than the patient."""
    x = layers.Dropout(0.5)(embedding)
    x = layers.Dense(128, activation="relu", name="hidden")(x)
    hidden: tuple[str, ...] = ("hidden",)
    if patients:
        branch = layers.Dense(64, activation="relu")(patients[0])
        branch = layers.Dense(32, activation="relu")(layers.BatchNormalization()(branch))
        x = layers.Dense(64, activation="relu", name="fusion")(layers.Concatenate()([x, branch]))
        hidden = ("hidden", "fusion")
    x = layers.Dropout(0.3)(x)
    return _logits(n_classes, x), hidden


_HEADS = {"fair": _fair_head, "additive": _additive_head, "reference": _reference_head}


class GradCam(layers.Layer):
    """Grad-CAM of every class in closed form, so that explaining a prediction needs no automatic differentiation.

    Selvaraju et al. 2017 weigh each channel of the last feature map with the mean gradient of the class's logit. Behind
    global average pooling and a ReLU head that gradient is a product of the kernels and of which units are on.
    Inputs are the feature map, of shape (n, h, w, channels), and the activations of the head's hidden layers; the
    output has shape (n, h, w, n_classes) and is not negative. `kernels` belong to the hidden layers and then the logits; each
    hidden layer's units are the first inputs of the next.
    """

    def __init__(self, kernels: Sequence[Any], **options: Any) -> None:
        super().__init__(**options)
        self._kernels = list(kernels)

    def call(self, inputs: list[Any]) -> Any:
        feature_map, *activations = inputs
        *hidden, logits = self._kernels
        gradient = ops.expand_dims(ops.convert_to_tensor(logits), 0)
        for kernel, activation in zip(reversed(hidden), reversed(activations), strict=True):
            is_on = ops.expand_dims(ops.cast(activation > 0, "float32"), -1)
            gradient = ops.matmul(kernel, is_on * gradient[:, : kernel.shape[1]])
        n, height, width, channels = ops.shape(feature_map)
        cells = ops.reshape(feature_map, (n, height * width, channels))
        heatmap = ops.relu(ops.matmul(cells, gradient)) / (height * width)
        return ops.reshape(heatmap, (n, height, width, self._kernels[-1].shape[1]))

    def compute_output_shape(self, input_shape: list[Any]) -> tuple[Any, ...]:
        return (*input_shape[0][:-1], self._kernels[-1].shape[1])
