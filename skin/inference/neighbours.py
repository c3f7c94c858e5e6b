"""Similar cases: the training lesions that look most like an image, to the network of a run.

The embeddings of the training part are kept in few dimensions and coarse steps, so that the index of a run is small.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skin.data.dataset import LesionImage
from skin.errors import UserError
from skin.files import read_arrays, write_arrays
from skin.patient import Patient
from skin.run import Run
from skin.task import Task

INDEX = "cases.npz"
"""The file of the index in the audit's folder."""

SHOWN = 10
"""Similar cases that are told of an image."""

DIMENSIONS = 128
"""Principal components that an embedding is kept in."""

_STEPS = 127
"""The largest coordinate of a case, which is kept in eight bits."""

SAME = 0.25
"""An image that is nearer than so many typical distances is taken for the training image itself, in another file perhaps."""


@dataclass(frozen=True)
class Case:
    """A training image: what is known of it, and its distance from an image that is asked about.

    `relative` is the distance in units of the usual one, from a validation image to its nearest training lesion.
    """

    image_id: str
    lesion_id: str
    diagnosis: str
    confirmed_by: str
    patient: Patient
    distance: float
    relative: float


@dataclass(frozen=True)
class CaseIndex:
    """The training images of a run in the space of their unit embeddings' first principal components.

    `mean` has shape (channels,), `basis` (channels, DIMENSIONS) and `points` (n_images, DIMENSIONS), in units of `step`.
    `typical` is the median distance from a validation image to its nearest training lesion.
    """

    mean: NDArray[np.float32]
    basis: NDArray[np.float16]
    points: NDArray[np.int8]
    step: float
    typical: float
    known: tuple[dict[str, Any], ...]
    task: Task

    @classmethod
    def fit(
        cls,
        task: Task,
        images: Sequence[LesionImage],
        embeddings: NDArray[np.float32],
        validation: NDArray[np.float32],
    ) -> Self:
        """The index of these training images, whose embeddings have shape (n_images, channels)."""
        directions = _directions(embeddings)
        mean = directions.mean(axis=0)
        _, _, axes = np.linalg.svd(directions - mean, full_matrices=False)
        basis = axes[:DIMENSIONS].T.astype(np.float16)
        points = (directions - mean) @ basis.astype(np.float32)
        step = float(np.abs(points).max()) / _STEPS or 1.0
        known = tuple(_known(image) for image in images)
        index = cls(mean, basis, np.round(points / step).astype(np.int8), step, 1.0, known, task)
        nearest = [float(index.distances(embedding).min()) for embedding in validation]
        return cls(mean, basis, index.points, step, float(np.median(nearest)) or 1.0, known, task)

    def save(self, path: Path) -> None:
        """Write the index. Raises UserError when the disk is full."""
        scales, known = np.array([self.step, self.typical]), np.array(json.dumps(self.known))
        arrays: dict[str, NDArray[Any]] = {
            "mean": self.mean,
            "basis": self.basis,
            "points": self.points,
            "scales": scales,
            "known": known,
        }
        write_arrays(path, arrays)

    @classmethod
    def load(cls, run: Run) -> Self:
        """The index of a run. Raises UserError where it is missing or damaged, with the command that makes it."""
        path, task = run.audit_folder / INDEX, run.task
        try:
            arrays = read_arrays(path)
            step, typical = arrays.pop("scales").tolist()
            known = tuple(json.loads(str(arrays.pop("known"))))
            index = cls(**arrays, step=step, typical=typical, known=known, task=task)
            index._check()
        except (ValueError, TypeError, KeyError, AttributeError, UserError) as error:
            state = "is damaged" if path.exists() else "is not there yet"
            raise UserError(
                f"The index of similar cases of {run.name} {state}: `{run.audit_command}` makes it from the images."
            ) from error
        return index

    def _check(self) -> None:
        """Raise ValueError where the parts do not fit each other, or are not what they should be."""
        n, dimensions = self.points.shape
        fits = self.basis.shape == (*self.mean.shape, dimensions) and len(self.known) == n > 0
        numbers = np.concatenate([self.mean, self.basis.ravel(), [self.step, self.typical]])
        if not (fits and self.points.dtype == np.int8 and np.isfinite(numbers).all() and self.typical > 0):
            raise ValueError("its arrays do not fit each other")
        _ = [self._case(row, 0.0) for row in range(n)]

    def nearest(self, embedding: NDArray[np.float32], n: int = SHOWN, without: str = "") -> list[Case]:
        """The training images nearest to an embedding of shape (channels,), one a lesion, the nearest first.

        The lesion `without`, and those of which an image is the one that is asked about, are left out.
        """
        distances = self.distances(embedding)
        order = np.argsort(distances, kind="stable")
        same = order[distances[order] < SAME * self.typical]
        told = {without, *(self.known[row]["lesion_id"] for row in same)}
        cases: list[Case] = []
        for row in order:
            if len(cases) == n:
                break
            lesion_id = self.known[row]["lesion_id"]
            if lesion_id not in told:
                told.add(lesion_id)
                cases.append(self._case(int(row), float(distances[row])))
        return cases

    def distances(self, embedding: NDArray[np.float32]) -> NDArray[np.float32]:
        """The distance of every training image from an embedding of shape (channels,)."""
        at = (_directions(embedding[None])[0] - self.mean) @ self._axes
        distances: NDArray[np.float32] = np.linalg.norm(self._coordinates - at, axis=1)
        return distances

    @cached_property
    def _coordinates(self) -> NDArray[np.float32]:
        return self.points * np.float32(self.step)

    @cached_property
    def _axes(self) -> NDArray[np.float32]:
        return self.basis.astype(np.float32)

    def _case(self, row: int, distance: float) -> Case:
        known = self.known[row]
        return Case(
            image_id=str(known["image_id"]),
            lesion_id=str(known["lesion_id"]),
            diagnosis=self.task.diagnosis(known["diagnosis"]).code,
            confirmed_by=str(known["confirmed_by"]),
            patient=self.task.parse(known["patient"]),
            distance=distance,
            relative=distance / self.typical,
        )


def shares(cases: Sequence[Case]) -> dict[str, float]:
    """The share of each diagnosis among the cases, by its code, the largest first."""
    counts = Counter(case.diagnosis for case in cases)
    return {code: count / len(cases) for code, count in counts.most_common()}


def _directions(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """The embeddings, of shape (n, channels), each of length one."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings / np.maximum(lengths, 1e-12)


def _known(image: LesionImage) -> dict[str, Any]:
    return {
        "image_id": image.image_id,
        "lesion_id": image.lesion_id,
        "diagnosis": image.diagnosis,
        "confirmed_by": image.confirmed_by,
        "patient": dict(image.patient.known),
    }
