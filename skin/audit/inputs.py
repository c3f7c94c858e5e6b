"""The material of an audit: a run, its predictor, and the images that it was trained, validated and tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from skin.audit.embeddings import open_embeddings
from skin.data.dataset import Dataset, LesionImage
from skin.data.pixels import open_pixels
from skin.data.splits import Split
from skin.errors import UserError
from skin.inference.predictor import Predictor
from skin.progress import Progress, silent
from skin.run import Run
from skin.workspace import Workspace


@dataclass(frozen=True)
class AuditInput:
    """Everything that a step of the audit may look at.

    `rows` has the rows in the data set by part ("train", "validation", "test"). Of all images, in the data set's order,
    are `pixels` of shape (n_images, size, size, 3), `patients` as the task encodes them and `truth` as class indices.
    """

    predictor: Predictor
    dataset: Dataset
    rows: Mapping[str, NDArray[np.int64]]
    pixels: NDArray[np.uint8]
    patients: NDArray[np.float32]
    truth: NDArray[np.int64]
    workspace: Workspace
    progress: Progress = silent

    @classmethod
    def load(cls, run: Run, dataset: Dataset, workspace: Workspace, progress: Progress = silent) -> Self:
        """The material of a run. Raises UserError where it cannot predict, or the data set lacks its images."""
        predictor = Predictor(run)
        rows = _rows_by_part(run, dataset)
        task = predictor.task
        pixels = open_pixels(dataset, predictor.network.image_size, workspace, progress)
        patients = task.encode([image.patient for image in dataset.images])
        truth = np.array([task.index(image.diagnosis) for image in dataset.images], np.int64)
        return cls(predictor, dataset, rows, pixels, patients, truth, workspace, progress)

    @property
    def run(self) -> Run:
        """The run that is audited."""
        return self.predictor.run

    def images(self, part: str) -> Sequence[LesionImage]:
        """The records of a part."""
        return [self.dataset.images[row] for row in self.rows[part]]

    def embeddings(self, part: str) -> NDArray[np.float32]:
        """The embeddings of a part in one orientation, of shape (n_images, channels)."""
        return self._embeddings[self.rows[part]]

    @cached_property
    def _embeddings(self) -> NDArray[np.float32]:
        return open_embeddings(self.predictor, self.dataset, self.pixels, self.workspace, self.progress)


def _rows_by_part(run: Run, dataset: Dataset) -> dict[str, NDArray[np.int64]]:
    if not run.task.asks_as(dataset.task):
        raise UserError(
            f"{run.name} tells apart {', '.join(run.task.codes)}, and {dataset.title} {', '.join(dataset.task.codes)}, or "
            "other fields: give the data set that the run was trained on."
        )
    row_of = {image.image_id: row for row, image in enumerate(dataset.images)}
    parts = Split.load(run.split_path).parts
    missing = [image_id for ids in parts.values() for image_id in ids if image_id not in row_of]
    if missing:
        raise UserError(
            f"{dataset.title} lacks {len(missing):,} of the images of {run.name} (first {missing[0]}): give the data set "
            "that the run was trained on, with --dataset."
        )
    return {part: np.array([row_of[image_id] for image_id in ids], np.int64) for part, ids in parts.items()}
