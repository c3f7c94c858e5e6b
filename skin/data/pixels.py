"""Pixels: an image file decoded with care, made square for a network, and a whole data set's kept on disk."""

from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from PIL import Image

from skin.data import image_file
from skin.data.dataset import Dataset
from skin.data.decoder import DECODERS
from skin.data.image_file import MAX_BYTES
from skin.data.row_file import RowFile
from skin.errors import UserError
from skin.progress import Progress, silent
from skin.workspace import Workspace

ImageInput = bytes | Path | Image.Image | NDArray[np.uint8]

_VERSION = 1
_CHUNK = 128


def decode(image: ImageInput) -> Image.Image:
    """The image in RGB, upright as its EXIF says, transparency on white, the first frame of an animation.

    An image of four million pixels or more is reduced by a whole number while it is decoded, to between one and four
    million pixels: far more than a network sees. Encoded bytes, which may be a stranger's, are decoded in a process that
    is bounded in memory and time. Raises UserError in one sentence for what is no image, damaged, too large or too small.
    """
    if isinstance(image, np.ndarray):
        return image_file.decode(_from_array(image))
    if not isinstance(image, bytes):
        return image_file.decode(image)
    if len(image) > MAX_BYTES:
        raise UserError(f"The image has more than {MAX_BYTES // 10**6} MB: save it smaller.")
    return DECODERS.decode(image)


def prepare(image: ImageInput, size: int) -> NDArray[np.uint8]:
    """The image as a network sees it, of shape (size, size, 3).

    Resized by antialiased bicubic interpolation. The sides are scaled apart, as they are in the system that this one is
    compared with: nothing is cut off, and every image of HAM10000 has the same 4:3 shape. Training and prediction
    both come this way.
    """
    return np.array(decode(image).resize((size, size), Image.Resampling.BICUBIC))


def _from_array(array: NDArray[np.uint8]) -> Image.Image:
    is_image = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not is_image:
        raise UserError(
            f"An array of shape {array.shape} and type {array.dtype} is no image: "
            "give uint8 of shape (height, width), (height, width, 3) or (height, width, 4)."
        )
    return Image.fromarray(array)


def open_pixels(dataset: Dataset, size: int, workspace: Workspace, progress: Progress = silent) -> NDArray[np.uint8]:
    """The data set's images as `prepare` makes them, of shape (n_images, size, size, 3), rows as `dataset.images`.

    Mapped read-only from a file of the workspace, which is made the first time. A build that was cut short goes on where
    it ended, and of two processes one builds and the other waits.
    Raises UserError when the disk is full or an image can no longer be read.
    """
    path = workspace.pixels / f"{dataset.key}-{size}-{_VERSION}.npy"
    file = RowFile(path, (len(dataset.images), size, size, 3), "|u1", "images")

    def rows(first: int, end: int) -> NDArray[np.uint8]:
        images = dataset.images[first:end]
        return np.stack(Parallel(n_jobs=-1, prefer="threads")(delayed(prepare)(image.path, size) for image in images))

    return file.open(rows, _CHUNK, progress, f"Preparing images at {size} px")
