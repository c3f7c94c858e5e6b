"""A run's images, split once and for all, decoded and encoded."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from skin.config import TrainConfig
from skin.data import datasets, splits
from skin.data.dataset import Dataset
from skin.data.pixels import open_pixels
from skin.device import check_shared
from skin.errors import UserError
from skin.progress import Progress, silent
from skin.run import Run
from skin.task import Task
from skin.workspace import Workspace

LOG = logging.getLogger("skin.training")


@dataclass(frozen=True)
class Material:
    """The data of a run: pixels of shape (n_images, size, size, 3), encoded patients, truth as class indices."""

    dataset: Dataset
    split: splits.Split
    pixels: NDArray[np.uint8]
    patients: NDArray[np.float32]
    truth: NDArray[np.int64]

    def rows(self, part: str) -> NDArray[np.int64]:
        """Rows of the part "train", "validation" or "test"."""
        return np.array([self._row_of[image_id] for image_id in self.split.parts[part]], np.int64)

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {image.image_id: row for row, image in enumerate(self.dataset.images)}


def check_config(config: TrainConfig, task: Task) -> None:
    """Raises UserError where the model is to look at the patient, and the task has no field, or devices cannot share."""
    check_shared(config.devices)
    if config.model == "multimodal" and not task.fields:
        raise UserError(f"{task.title} tells nothing of the patient: train the model 'image' on it.")


def load_material(run: Run, workspace: Workspace, progress: Progress = silent) -> Material:
    """The run's data set, split once and for all, and decoded.

    Raises UserError when a resumed run's images are no longer all there, or have other diagnoses now.
    """
    config = run.config
    dataset = datasets.load(config.dataset, workspace, progress)
    check_config(config, dataset.task)
    run.keep_task(dataset.task)
    if dataset.dropped:
        LOG.info("%d rows of %s are left out; `python -m skin data` names them.", len(dataset.dropped), dataset.title)
    if not run.split_path.exists():
        splits.draw(dataset.images, config).save(run.split_path)
    split = splits.Split.load(run.split_path)
    present = {image.image_id for image in dataset.images}
    if missing := [name for part in split.parts.values() for name in part if name not in present]:
        raise UserError(
            f"{len(missing)} images of this run, {missing[0]} first, are gone from {dataset.title}: restore them."
        )
    if len(split.parts["train"]) < config.devices:
        raise UserError(f"{len(split.parts['train'])} images to train on are fewer than devices, {config.devices}.")
    return Material(
        dataset,
        split,
        open_pixels(dataset, config.image_size, workspace, progress),
        dataset.task.encode([image.patient for image in dataset.images]),
        np.array([dataset.task.index(image.diagnosis) for image in dataset.images], np.int64),
    )
