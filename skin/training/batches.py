"""Shuffled, augmented batches for the training loop, the same ones for the same seed."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from skin.config import TrainConfig
from skin.data.views import ORIENTATIONS, orient
from skin.task import Task

Inputs = NDArray[np.float32] | NDArray[np.uint8]


@dataclass(frozen=True)
class Examples:
    """The training part: `inputs` is features of shape (n, channels) or pixels of shape (n_images, size, size, 3).

    `rows` picks the part's images from `inputs`; `patients`, `targets` (one-hot) and `weights` are as long as `rows`.
    The task says which columns of a patient are one field.
    """

    inputs: Inputs
    rows: NDArray[np.int64]
    patients: NDArray[np.float32]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]
    task: Task


Batch = tuple[tuple[Inputs, ...], NDArray[np.float32], NDArray[np.float32]]


class Batches(keras.utils.PyDataset):
    """One epoch's batches: inputs, one-hot targets, sample weights.

    Everything random follows from the seed, the stage, the epoch and the batch's number, so that a resumed run goes on
    as an undisturbed one. A last, smaller batch is left out: batch normalisation would take its statistics from it.
    """

    def __init__(self, examples: Examples, config: TrainConfig, stage: int, epoch: int) -> None:
        # With one worker TensorFlow tunes the reading, and at the end of an epoch may wait for the tuner: as long again as
        # the epoch took, at most a minute. With two Keras does without; a step of the head would notice their queues.
        super().__init__(workers=stage, use_multiprocessing=False, max_queue_size=8)
        self._examples = examples
        self._config = config
        self._seed = (config.seed, stage, epoch)
        most = min(config.stages[stage - 1].batch_size, len(examples.rows))
        self.batch_size = most - most % config.devices
        self._order = np.random.default_rng(self._seed).permutation(len(examples.rows))

    def __len__(self) -> int:
        return len(self._order) // self.batch_size

    def __getitem__(self, index: int) -> Batch:
        rng = np.random.default_rng((*self._seed, index))
        picked = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        examples = self._examples
        inputs: tuple[Inputs, ...] = (self._drawn(examples.rows[picked], rng),)
        if self._config.model == "multimodal":
            inputs = (*inputs, examples.task.drop_fields(examples.patients[picked], self._config.field_dropout, rng))
        return inputs, examples.targets[picked], examples.weights[picked]

    def _drawn(self, rows: NDArray[np.int64], rng: np.random.Generator) -> Inputs:
        if self._examples.inputs.ndim == 2:
            return self._examples.inputs[rows]
        return np.stack([augment(self._examples.inputs[row], self._config, rng) for row in rows])


def augment(image: NDArray[np.uint8], config: TrainConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A random variant of an image of shape (size, size, 3), as the configuration allows."""
    if config.zoom:
        image = _zoomed(image, config.zoom, rng)
    if config.flips:
        image = orient(image, int(rng.integers(ORIENTATIONS)))
    if config.brightness or config.colour:
        image = _recoloured(image, config, rng)
    return image


def _zoomed(image: NDArray[np.uint8], zoom: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    size = image.shape[0]
    side = size * (1 - zoom * rng.random())
    left, top = rng.random(2) * (size - side)
    box = (left, top, left + side, top + side)
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, box))


def _recoloured(image: NDArray[np.uint8], config: TrainConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    gains = (1 + config.brightness * rng.uniform(-1, 1)) * (1 + config.colour * rng.uniform(-1, 1, 3))
    # A table of 256 entries a channel is several times faster than arithmetic on every pixel.
    table = np.clip(np.arange(256)[:, None] * gains, 0, 255).astype(np.uint8)
    return np.stack([table[image[..., channel], channel] for channel in range(3)], axis=-1)
