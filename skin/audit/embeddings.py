"""The embeddings of a whole data set in one orientation, computed once and kept on disk."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from skin.data.dataset import Dataset
from skin.data.row_file import RowFile
from skin.inference.predictor import Predictor
from skin.models.network import images_at_once
from skin.progress import Progress, silent
from skin.workspace import Workspace

_BLOCK = 64


def open_embeddings(
    predictor: Predictor,
    dataset: Dataset,
    pixels: NDArray[np.uint8],
    workspace: Workspace,
    progress: Progress = silent,
) -> NDArray[np.float32]:
    """The embedding of every image, unturned, of shape (n_images, channels), mapped read-only; rows as `dataset.images`.

    `pixels` are those of the data set at the network's size. What was cut short goes on where it ended.
    Raises UserError when the disk is full.
    """
    n_channels = embed(predictor, pixels[:1]).shape[1]
    network = hashlib.sha256(predictor.run.onnx_path.read_bytes()).hexdigest()[:16]
    path = workspace.features / f"embeddings-{network}-{dataset.key}.npy"
    file = RowFile(path, (len(pixels), n_channels), "<f4", "embeddings")
    return file.open(lambda first, end: embed(predictor, pixels[first:end]), _BLOCK, progress, "Computing embeddings")


def embed(predictor: Predictor, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embeddings of shape (n, channels) of images of shape (n, size, size, 3), a few at a time."""
    n = images_at_once(1)
    starts = range(0, len(images), n)
    return np.concatenate([predictor.network.encode(images[start : start + n]).embedding for start in starts])
