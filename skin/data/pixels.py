"""Pixels: an image file decoded with care, made square for a network, and a whole data set's kept on disk."""

import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
from filelock import FileLock
from joblib import Parallel, delayed
from numpy.typing import NDArray
from PIL import Image

from skin.data import image_file
from skin.data.dataset import Dataset, LesionImage
from skin.data.decoder import DECODERS
from skin.data.image_file import MAX_BYTES
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


def prepare_batches(images: Sequence[ImageInput], size: int, n: int) -> Iterator[NDArray[np.uint8]]:
    """Several images as `prepare` makes them, n at a time, of shape (n, size, size, 3).

    They are prepared in parallel, and go on being so while the caller is busy with a batch.
    """
    if len(images) == 1:  # a visitor's one image starts no threads
        yield prepare(images[0], size)[None]
        return
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        prepared = threads.map(lambda image: prepare(image, size), images)
        while batch := list(islice(prepared, n)):
            yield np.stack(batch)


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
    shape = (len(dataset.images), size, size, 3)
    if not _is_complete(path, shape):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
                if not _is_complete(path, shape):
                    _build(path, dataset.images, size, progress)
        except OSError as error:
            raise UserError(
                f"The images could not be cached in {path.parent} ({error.strerror}): free some space, or use another --home."
            ) from error
    pixels: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return pixels


def _build(path: Path, images: tuple[LesionImage, ...], size: int, progress: Progress) -> None:
    """Append the rows to a partial file, whose length says how many are done, and give it its name at the end."""
    partial = path.with_suffix(".partial")
    header, row_bytes = _header((len(images), size, size, 3)), size * size * 3
    _check_space(partial, len(header) + len(images) * row_bytes)
    with partial.open("ab") as file, Parallel(n_jobs=-1, prefer="threads") as parallel:
        if file.tell() < len(header):
            file.truncate(0)
            file.write(header)
        done = (file.tell() - len(header)) // row_bytes
        file.truncate(len(header) + done * row_bytes)
        starts = range(done, len(images), _CHUNK)
        for start in progress(starts, desc=f"Preparing images at {size} px", total=len(starts)):
            rows = parallel(delayed(prepare)(image.path, size) for image in images[start : start + _CHUNK])
            file.write(np.stack(rows).tobytes())
            file.flush()
            os.fsync(file.fileno())
    partial.replace(path)


def _header(shape: tuple[int, ...]) -> bytes:
    buffer = BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"shape": shape, "fortran_order": False, "descr": "|u1"})
    return buffer.getvalue()


def _is_complete(path: Path, shape: tuple[int, ...]) -> bool:
    return path.is_file() and path.stat().st_size == len(_header(shape)) + int(np.prod(shape))


def _check_space(partial: Path, needed: int) -> None:
    missing = needed - (partial.stat().st_size if partial.exists() else 0)
    if shutil.disk_usage(partial.parent).free < missing:
        raise UserError(
            f"{missing / 1e9:.1f} GB are needed in {partial.parent} for the images: "
            "free some space, use a smaller image size, or another --home."
        )
