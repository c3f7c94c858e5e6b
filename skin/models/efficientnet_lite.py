"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation and with ReLU6.

Lite0 does a tenth of ResNet50's arithmetic at the same ImageNet accuracy. The weights of all three lie in `assets/`, so
that a machine without network trains from a pretrained backbone.

Source: Mingxing Tan and Quoc V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML
2019, and the "lite" networks of the TensorFlow TPU repository.
"""

from dataclasses import dataclass, replace
from math import ceil
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


VARIANTS = {"efficientnet_lite0": (1.0, 1.0), "efficientnet_lite1": (1.0, 1.1), "efficientnet_lite2": (1.1, 1.2)}
"""The factors on the filters and on the blocks of each stage, by the network's name. Stem and head keep their widths."""


def efficientnet_lite(name: str, image_size: int, weights: Path | None) -> keras.Model:
    """One of VARIANTS up to its last feature map, (n, image_size, image_size, 3) to (n, h, h, 1280), h = ⌈image_size / 32⌉.

    The input is float32 pixels scaled as (x - 127) / 128. `weights` is a Keras weights file; None starts at random.
    Raises what `keras.Model.load_weights` raises when the file cannot be read or belongs to another network.
    """
    inputs = keras.Input((image_size, image_size, 3), name="scaled_pixels")
    x = _convolution(inputs, _STEM_FILTERS, kernel=3, strides=2, name="stem")
    for number, stage in enumerate(_scaled(*VARIANTS[name]), start=1):
        for block in range(stage.blocks):
            strides = 1 if block else stage.strides
            x = _inverted_residual(x, stage, strides, name=f"stage{number}_block{block + 1}")
    x = _convolution(x, _HEAD_FILTERS, name="head")
    model = keras.Model(inputs, x, name=name)
    if weights:
        model.load_weights(weights)
    return model


def _scaled(width: float, depth: float) -> list[_Stage]:
    """The stages with more filters, rounded to whole eights, and more blocks, except in the first and the last of them."""
    last = len(_STAGES) - 1
    return [
        replace(
            stage,
            filters=_whole_eights(stage.filters * width),
            blocks=stage.blocks if number in (0, last) else ceil(stage.blocks * depth),
        )
        for number, stage in enumerate(_STAGES)
    ]


def _whole_eights(filters: float) -> int:
    """The nearest multiple of 8, or the next one where rounding down would take more than a tenth."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * filters else rounded + 8


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
