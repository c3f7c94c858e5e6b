"""Shuffled, augmented batches for the training loop, the same ones for the same seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from skin.config import TrainConfig
from skin.task import Task
from skin.training.augmentation import augment

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
        batch = inputs, examples.targets[picked], examples.weights[picked]
        return mixed(batch, self._config.mixup, rng) if self._config.mixup else batch

    def _drawn(self, rows: NDArray[np.int64], rng: np.random.Generator) -> Inputs:
        if self._examples.inputs.ndim == 2:
            return self._examples.inputs[rows]
        return np.stack([augment(self._examples.inputs[row], self._config, rng) for row in rows])


def mixed(batch: Batch, alpha: float, rng: np.random.Generator) -> Batch:
    """The batch with a share of another of its examples in each, drawn from Beta(alpha, alpha): mixup, Zhang et al. 2018."""
    inputs, targets, weights = batch
    others = rng.permutation(len(targets))
    share = np.float32(rng.beta(alpha, alpha))

    def mix(values: NDArray[Any]) -> NDArray[Any]:
        both = share * values + (1 - share) * values[others]
        return (both.round() if values.dtype == np.uint8 else both).astype(values.dtype)

    return tuple(mix(values) for values in inputs), mix(targets), mix(weights)
