"""The data sets: a table of sources, and the record that each of them reads."""

import hashlib
import os
import shutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from skin.data import ham10000, synthetic
from skin.data.ham10000 import Dropped
from skin.errors import UserError
from skin.lesion import LesionImage
from skin.progress import Progress, silent
from skin.workspace import Workspace

__all__ = ["DATASETS", "Dataset", "Dropped", "Source", "find_folder", "load"]

_DEMO = "demo-1"
"""Folder of the drawn data set; the number is raised when the drawing changes."""


@dataclass(frozen=True)
class Dataset:
    """Labelled images. `name` is what `load` takes to read it again; `notes` are remarks on what was read."""

    name: str
    title: str
    images: tuple[LesionImage, ...]
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = ()
    synthetic: bool = False

    @cached_property
    def key(self) -> str:
        """16 hex digits that change with the image files, for naming what is computed from them."""
        return ham10000.fingerprint(self.images)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change with any image's id, lesion or diagnosis, wherever the files lie.

        The first of the SHA-256 of the three, tab-separated, a line an image, the lines sorted.
        """
        lines = sorted(f"{image.image_id}\t{image.lesion_id}\t{image.diagnosis}\n" for image in self.images)
        return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]

    def frame(self) -> pd.DataFrame:
        """A row an image; age in years, NaN where unknown."""
        return pd.DataFrame(
            {
                "image_id": [image.image_id for image in self.images],
                "lesion_id": [image.lesion_id for image in self.images],
                "diagnosis": [image.diagnosis for image in self.images],
                "age": np.array([image.patient.age for image in self.images], float),
                "sex": [str(image.patient.sex) for image in self.images],
                "site": [str(image.patient.site) for image in self.images],
                "confirmed_by": [image.confirmed_by for image in self.images],
                "source": [image.source for image in self.images],
                "path": [str(image.path) for image in self.images],
            }
        )

    def findings(self) -> tuple[str, ...]:
        """A sentence for every kind of reason why images were left out, with their ids, and the notes."""
        ids = defaultdict(list)
        for dropped in self.dropped:
            ids[dropped.reason.partition(":")[0]].append(dropped.image_id)
        return tuple(f"{len(names)} left out, {kind}: {_listed(names)}." for kind, names in ids.items()) + self.notes


def _listed(names: list[str], most: int = 10) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


@dataclass(frozen=True)
class Source:
    """Where a data set comes from; `read` is handed the name that was asked for."""

    title: str
    description: str
    read: Callable[[str, Workspace, Progress], Dataset]


def load(name: str, workspace: Workspace, progress: Progress = silent) -> Dataset:
    """The data set of this row of DATASETS, or of the folder at this path.

    Raises UserError when it cannot be had.
    """
    return DATASETS.get(name, DATASETS["folder"]).read(name, workspace, progress)


def _read_demo(name: str, workspace: Workspace, progress: Progress) -> Dataset:
    contents = ham10000.read(_drawn(workspace, progress), workspace, progress)
    return Dataset(name, "Demo (synthetic)", contents.images, contents.dropped, contents.notes, synthetic=True)


def _drawn(workspace: Workspace, progress: Progress) -> Path:
    """The folder of the drawn data set, drawn the first time."""
    folder = workspace.datasets / _DEMO
    if folder.is_dir():
        return folder
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        synthetic.draw_dataset(partial, progress=progress)
        partial.rename(folder)
    except OSError as error:
        if not folder.is_dir():  # else another process drew it meanwhile
            raise UserError(
                f"The demo data could not be written to {folder} ({error.strerror}): free some space."
            ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _read_kaggle(name: str, workspace: Workspace, progress: Progress) -> Dataset:
    contents = ham10000.read(ham10000.download(workspace), workspace, progress)
    return Dataset(name, "HAM10000 (Kaggle)", contents.images, contents.dropped, contents.notes)


def find_folder(name: str) -> Path:
    """The folder at this path. Raises UserError when there is none."""
    try:
        return Path(name).expanduser().resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"{name!r} is neither a data set nor a folder: use demo, kaggle or the path of a folder."
        ) from error


def _read_folder(name: str, workspace: Workspace, progress: Progress) -> Dataset:
    folder = find_folder(name)
    contents = ham10000.read(folder, workspace, progress)
    return Dataset(str(folder), folder.name, contents.images, contents.dropped, contents.notes)


DATASETS: dict[str, Source] = {
    "demo": Source(
        "Demo (synthetic)", "About 400 drawn images of no real patient: for trying everything out.", _read_demo
    ),
    "kaggle": Source("HAM10000 (Kaggle)", "All 10,015 images, downloaded once from Kaggle (about 5 GB).", _read_kaggle),
    "folder": Source("A folder", "Any folder in Kaggle's layout: images and HAM10000_metadata.csv.", _read_folder),
}
"""Every source of data sets; a new one is a function and a row."""
