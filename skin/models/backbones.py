"""The pretrained convolutional networks, and the pixel scaling that the weights of each expect.

Keras is imported where a network is built: a list of the backbones costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skin.config import TrainConfig
from skin.errors import UsageError, UserError
from skin.workspace import Workspace

if TYPE_CHECKING:
    import keras

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Scaling:
    """The form of an RGB pixel in 0..255 that a network wants: (pixel - mean) / std per channel, maybe in BGR order."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    bgr: bool = False


_LITE = Scaling((127.0,) * 3, (128.0,) * 3)
UNIT = Scaling((0.0, 0.0, 0.0), (255.0, 255.0, 255.0))
"""Plain [0, 1], whatever the weights expect."""


@dataclass(frozen=True)
class Backbone:
    """A row of BACKBONES.

    `build(image_size, weights)` gives a network from scaled pixels, of shape (n, size, size, 3), to a feature map of
    shape (n, height, width, channels); weights are "imagenet", None or a file. `training_rate` is the speed of its
    fine-tuning, for estimates, in images of 224 pixels a second on two cores.
    """

    title: str
    build: Callable[[int, Any, Workspace], keras.Model]
    scaling: Scaling
    training_rate: float


def _from_applications(name: str, **options: Any) -> Callable[[int, Any, Workspace], keras.Model]:
    def build(image_size: int, weights: Any, workspace: Workspace) -> keras.Model:  # noqa: ARG001 (the table's shape)
        import keras

        network = getattr(keras.applications, name)
        built = network(include_top=False, weights=weights, input_shape=(image_size, image_size, 3), **options)
        return _adapted(built)

    return build


def _adapted(network: keras.Model) -> keras.Model:
    """The same network with the faster batch normalisation, and in layers that the ONNX export knows.

    It lacks grouped convolutions and Keras' own GELU.
    """
    import keras

    cloned = keras.models.clone_model(network, clone_function=_adapted_layer)
    for layer in network.layers:
        if weights := layer.get_weights():
            if _is_depthwise(layer):
                weights[0] = weights[0].swapaxes(2, 3)
            cloned.get_layer(layer.name).set_weights(weights)
    return cloned


def _adapted_layer(layer: keras.Layer) -> keras.Layer:
    from keras import activations, layers

    from skin.models.normalization import BatchNormalization

    if type(layer) is layers.BatchNormalization:
        return BatchNormalization.from_config(layer.get_config())
    if _is_depthwise(layer):
        return layers.DepthwiseConv2D(layer.kernel_size, padding=layer.padding, name=layer.name)
    if type(layer) is layers.Activation and layer.activation is activations.gelu:
        return layers.Activation(_gelu, name=layer.name)
    return layer.__class__.from_config(layer.get_config())


def _is_depthwise(layer: keras.Layer) -> bool:
    from keras import layers

    return type(layer) is layers.Conv2D and layer.groups == layer.filters > 1


def _gelu(x: Any) -> Any:
    from keras import ops

    return 0.5 * x * (1 + ops.erf(x / 2**0.5))


def _lite(name: str) -> Callable[[int, Any, Workspace], keras.Model]:
    def build(image_size: int, weights: Any, workspace: Workspace) -> keras.Model:
        from skin.models.efficientnet_lite import efficientnet_lite

        shipped = workspace.assets / f"{name}_imagenet.weights.h5"
        return efficientnet_lite(name, image_size, shipped if weights == "imagenet" else weights)

    return build


BACKBONES: dict[str, Backbone] = {
    "efficientnet_lite0": Backbone("EfficientNet-Lite0", _lite("efficientnet_lite0"), _LITE, 54.0),
    "efficientnet_lite1": Backbone("EfficientNet-Lite1", _lite("efficientnet_lite1"), _LITE, 35.0),
    "efficientnet_lite2": Backbone("EfficientNet-Lite2", _lite("efficientnet_lite2"), _LITE, 24.0),
    "resnet50": Backbone(
        "ResNet50", _from_applications("ResNet50"), Scaling((123.68, 116.779, 103.939), (1.0,) * 3, bgr=True), 13.0
    ),
    "efficientnet_v2_b0": Backbone(
        "EfficientNetV2-B0",
        _from_applications("EfficientNetV2B0", include_preprocessing=False),
        Scaling(IMAGENET_MEAN, IMAGENET_STD),
        43.0,
    ),
    "convnext_tiny": Backbone(
        "ConvNeXt-Tiny",
        _from_applications("ConvNeXtTiny", include_preprocessing=False),
        Scaling(IMAGENET_MEAN, IMAGENET_STD),
        9.0,
    ),
    "mobilenet_v3_large": Backbone(
        "MobileNetV3-Large",
        _from_applications("MobileNetV3Large", include_preprocessing=False),
        Scaling((127.5,) * 3, (127.5,) * 3),
        70.0,
    ),
}
"""The backbones by the name that a configuration uses."""


def build_backbone(config: TrainConfig, workspace: Workspace) -> keras.Model:
    """The configured backbone from RGB pixels in 0..255, of shape (n, size, size, 3), to its feature map.

    Raises UserError when the weights are not to be had, UsageError for a backbone that does not exist.
    """
    import keras

    backbone = find_backbone(config.backbone)
    network = _with_weights(config, backbone, workspace)
    image = keras.Input((config.image_size, config.image_size, 3), dtype="uint8", name="image")
    features = network(scaled(image, backbone.scaling if config.scaling == "pretrained" else UNIT))
    return keras.Model(image, features, name="backbone")


def find_backbone(name: str) -> Backbone:
    """The row of BACKBONES with this name. Raises UsageError when there is none."""
    if name not in BACKBONES:
        raise UsageError(f"Unknown backbone {name!r}: use one of {', '.join(BACKBONES)}.")
    return BACKBONES[name]


def _with_weights(config: TrainConfig, backbone: Backbone, workspace: Workspace) -> keras.Model:
    weights = {"none": None, "imagenet": "imagenet"}.get(config.weights, config.weights)
    if weights not in (None, "imagenet") and not Path(str(weights)).is_file():
        raise UsageError(f"There is no weights file {config.weights!r}: give its path, imagenet or none.")
    try:
        return backbone.build(config.image_size, weights, workspace)
    except Exception as error:  # Keras raises a bare Exception when a download fails
        if weights is None:
            raise
        raise UserError(
            f"The {config.weights} weights of {backbone.title} could not be had ({_first_line(error)}): "
            "choose the backbone efficientnet_lite0, whose weights are shipped, give a weights file, or train from none."
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")[:200]


def scaled(image: Any, scaling: Scaling) -> Any:
    """RGB pixels in 0..255, of shape (n, height, width, 3), as `scaling` wants them."""
    from keras import ops

    pixels = ops.cast(image, "float32")
    if len(set(scaling.mean)) == len(set(scaling.std)) == 1 and not scaling.bgr:
        return (pixels - scaling.mean[0]) / scaling.std[0]  # by channels, ONNX Runtime takes a third longer in all
    channels = ops.split(pixels, 3, axis=-1)
    # Plain numbers channel by channel, because the ONNX export loses captured constant tensors.
    shifted = [(x - mean) / std for x, mean, std in zip(channels, scaling.mean, scaling.std, strict=True)]
    return ops.concatenate(shifted[::-1] if scaling.bgr else shifted, axis=-1)
