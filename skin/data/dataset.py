"""A data set: labelled images, the task that their labels belong to, and what was left out of them."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from skin.errors import UserError
from skin.patient import UNKNOWN, NumberField, Patient
from skin.task import HAM10000, Task

UNKNOWN_LABEL = "unknown diagnosis"
"""The kind of reason for which an image is left out whose label is none of the task's."""


@dataclass(frozen=True)
class LesionImage:
    """One dermatoscopic image; a lesion may have several.

    `diagnosis` is a code of the task. `confirmed_by` says how the diagnosis was confirmed (histo, follow_up, consensus,
    confocal) and `source` names the archive that the image came from; both are "" where not known, and neither is ever
    an input of a model, because they give the diagnosis away.
    """

    image_id: str
    lesion_id: str
    diagnosis: str
    patient: Patient
    path: Path
    confirmed_by: str = ""
    source: str = ""


@dataclass(frozen=True)
class Dropped:
    """An image that was left out; the reason is its kind, then after a colon what is particular to this image."""

    image_id: str
    reason: str


@dataclass(frozen=True)
class Dataset:
    """Labelled images. `name` is what `load` takes to read it again; `notes` are remarks on what was read."""

    name: str
    title: str
    images: tuple[LesionImage, ...]
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = ()
    synthetic: bool = False
    task: Task = HAM10000

    @cached_property
    def key(self) -> str:
        """16 hex digits that change with the image files, for naming what is computed from them."""
        return file_key(self.images)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change with any image's id, lesion or diagnosis, wherever the files lie.

        The first of the SHA-256 of the three, tab-separated, a line an image, the lines sorted.
        """
        lines = sorted(f"{image.image_id}\t{image.lesion_id}\t{image.diagnosis}\n" for image in self.images)
        return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]

    def frame(self) -> pd.DataFrame:
        """A row an image; a number of the patient is NaN where unknown, a choice "unknown"."""
        images = self.images
        told = {field.name: [image.patient[field.name] for image in images] for field in self.task.fields}
        numbers = {field.name for field in self.task.fields if isinstance(field, NumberField)}
        columns = {
            "image_id": [image.image_id for image in images],
            "lesion_id": [image.lesion_id for image in images],
            "diagnosis": [image.diagnosis for image in images],
            **{
                name: np.array(values, float) if name in numbers else [value or UNKNOWN for value in values]
                for name, values in told.items()
            },
            "confirmed_by": [image.confirmed_by for image in images],
            "source": [image.source for image in images],
            "path": [str(image.path) for image in images],
        }
        return pd.DataFrame(columns)

    @cached_property
    def unknown_labels(self) -> dict[str, int]:
        """The labels that are none of the task's, and the number of images that were left out for each."""
        return dict(Counter(label for label in map(_unknown_label, self.dropped) if label is not None))

    def findings(self) -> tuple[str, ...]:
        """A sentence for every kind of reason why images were left out, with their ids, and the notes."""
        ids = defaultdict(list)
        for dropped in self.dropped:
            ids[dropped.reason.partition(":")[0]].append(dropped.image_id)
        left_out = tuple(f"{len(names)} left out, {kind}: {_first(names)}." for kind, names in ids.items())
        return left_out + self._on_labels() + self.notes

    def _on_labels(self) -> tuple[str, ...]:
        labels = [f"{label!r} ({count}×)" for label, count in self.unknown_labels.items()]
        return (f"These labels are no diagnosis of {self.task.title}: {_first(labels)}.",) if labels else ()


def _unknown_label(dropped: Dropped) -> str | None:
    kind, _, label = dropped.reason.partition(": ")
    return label[1:-1] if kind == UNKNOWN_LABEL else None


def _first(names: list[str], most: int = 10) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def file_key(images: Iterable[LesionImage]) -> str:
    """16 hex digits that change with the ids, the order, the sizes or the times of the image files.

    Raises UserError when a file is gone.
    """
    digest = hashlib.sha256()
    for image in images:
        try:
            facts = image.path.stat()
        except OSError as error:
            raise UserError(f"The image {image.path} is gone: load the data set again.") from error
        digest.update(f"{image.image_id}\t{facts.st_size}\t{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
