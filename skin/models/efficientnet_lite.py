"""EfficientNet-Lite0: EfficientNet-B0 without squeeze-and-excitation and with ReLU6.

It does a tenth of ResNet50's arithmetic at the same ImageNet accuracy, and its weights lie in `assets/`, so that a
machine without network trains from a pretrained backbone.

Source: Mingxing Tan and Quoc V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML
2019, and the "lite" networks of the TensorFlow TPU repository.
"""

from dataclasses import dataclass
from pathlib import Path

import keras
from keras import KerasTensor, layers

from skin.models.normalization import BatchNormalization


@dataclass(frozen=True)
class _Stage:
    """Inverted residual blocks of one shape; only the first changes resolution and width."""

    blocks: int
    kernel: int
    strides: int
    expansion: int
    filters: int


_STEM_FILTERS = 32
_HEAD_FILTERS = 1280
_STAGES = (
    _Stage(blocks=1, kernel=3, strides=1, expansion=1, filters=16),
    _Stage(blocks=2, kernel=3, strides=2, expansion=6, filters=24),
    _Stage(blocks=2, kernel=5, strides=2, expansion=6, filters=40),
    _Stage(blocks=3, kernel=3, strides=2, expansion=6, filters=80),
    _Stage(blocks=3, kernel=5, strides=1, expansion=6, filters=112),
    _Stage(blocks=4, kernel=5, strides=2, expansion=6, filters=192),
    _Stage(blocks=1, kernel=3, strides=1, expansion=6, filters=320),
)


def efficientnet_lite0(image_size: int, weights: Path | None) -> keras.Model:
    """The network up to its last feature map, (n, image_size, image_size, 3) to (n, h, h, 1280), h = ⌈image_size / 32⌉.

    The input is float32 pixels scaled as (x - 127) / 128. `weights` is a Keras weights file; None starts at random.
    Raises what `keras.Model.load_weights` raises when the file cannot be read or belongs to another network.
    """
    inputs = keras.Input((image_size, image_size, 3), name="scaled_pixels")
    x = _convolution(inputs, _STEM_FILTERS, kernel=3, strides=2, name="stem")
    for number, stage in enumerate(_STAGES, start=1):
        for block in range(stage.blocks):
            strides = 1 if block else stage.strides
            x = _inverted_residual(x, stage, strides, name=f"stage{number}_block{block + 1}")
    x = _convolution(x, _HEAD_FILTERS, name="head")
    model = keras.Model(inputs, x, name="efficientnet_lite0")
    if weights:
        model.load_weights(weights)
    return model


def _inverted_residual(x: KerasTensor, stage: _Stage, strides: int, name: str) -> KerasTensor:
    shortcut = x
    if stage.expansion > 1:
        x = _convolution(x, x.shape[-1] * stage.expansion, name=f"{name}_expand")
    x = layers.DepthwiseConv2D(stage.kernel, strides, "same", use_bias=False, name=f"{name}_depthwise_conv")(x)
    x = _normalized(x, name=f"{name}_depthwise")
    x = _convolution(x, stage.filters, name=f"{name}_project", activate=False)
    return layers.Add(name=f"{name}_add")([shortcut, x]) if shortcut.shape == x.shape else x


def _convolution(
    x: KerasTensor, filters: int, kernel: int = 1, strides: int = 1, *, name: str, activate: bool = True
) -> KerasTensor:
    x = layers.Conv2D(filters, kernel, strides, "same", use_bias=False, name=f"{name}_conv")(x)
    return _normalized(x, name, activate)


def _normalized(x: KerasTensor, name: str, activate: bool = True) -> KerasTensor:
    x = BatchNormalization(epsilon=1e-3, name=f"{name}_norm")(x)
    return layers.ReLU(6.0, name=f"{name}_relu6")(x) if activate else x
