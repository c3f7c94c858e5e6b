"""The sources of data sets, and the layouts of folders that can be read."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from skin.data import custom, ham10000, isic2019
from skin.data import folder as folders
from skin.data.dataset import Dataset
from skin.data.folder import Contents, Table
from skin.data.synthetic.dataset import draw_dataset
from skin.errors import UserError
from skin.progress import Progress, silent
from skin.workspace import Workspace

_DEMO = "demo-1"
"""Folder of the drawn data set; the number is raised when the drawing changes."""

LAYOUTS: dict[str, Callable[[Mapping[str, Path]], Table | None]] = {
    "HAM10000_metadata.csv": ham10000.table,
    "…_GroundTruth.csv of an ISIC challenge": isic2019.table,
    "task.json": custom.table,
}
"""Every layout of a folder, by what it is known by; each makes a Table of the folder's files, or nothing."""


@dataclass(frozen=True)
class Source:
    """A place that data sets come from; `read` is handed the name that was asked for."""

    title: str
    description: str
    read: Callable[[str, Workspace, Progress], Dataset]


def load(name: str, workspace: Workspace, progress: Progress = silent) -> Dataset:
    """The data set of this row of DATASETS, or of the folder at this path.

    Raises UserError when it cannot be had.
    """
    return DATASETS.get(name, DATASETS["folder"]).read(name, workspace, progress)


def _read_demo(name: str, workspace: Workspace, progress: Progress) -> Dataset:
    return _dataset(name, "Demo (synthetic)", read(_drawn(workspace, progress), workspace, progress), synthetic=True)


def _dataset(name: str, title: str, contents: Contents, synthetic: bool = False) -> Dataset:
    return Dataset(name, title, contents.images, contents.dropped, contents.notes, synthetic, contents.task)


def _drawn(workspace: Workspace, progress: Progress) -> Path:
    """The folder of the drawn data set, drawn the first time."""
    folder = workspace.datasets / _DEMO
    if folder.is_dir():
        return folder
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        draw_dataset(partial, progress=progress)
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
    return _dataset(name, "HAM10000 (Kaggle)", read(ham10000.download(workspace), workspace, progress))


def read(folder: Path, workspace: Workspace, progress: Progress = silent) -> Contents:
    """The images of a folder in one of LAYOUTS. Raises UserError when it is in none, or not one image can be used."""
    return folders.read(folder, _table(folder), workspace, progress)


def listing(folder: Path) -> Contents:
    """The folder's images that have a row and a file; none is opened, which takes a while the first time.

    Raises UserError when the folder is in none of LAYOUTS, or not one image can be used.
    """
    return folders.listing(folder, _table(folder))


def _table(folder: Path) -> Table:
    entries = folders.entries(folder)
    for table_of in LAYOUTS.values():
        if (table := table_of(entries)) is not None:
            return table
    raise UserError(f"{folder} holds no {', no '.join(LAYOUTS)}: give the folder of a data set.")


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
    return _dataset(str(folder), folder.name, read(folder, workspace, progress))


DATASETS: dict[str, Source] = {
    "demo": Source(
        "Demo (synthetic)", "About 400 drawn images of no real patient: for trying everything out.", _read_demo
    ),
    "kaggle": Source("HAM10000 (Kaggle)", "All 10,015 images, downloaded once from Kaggle (about 5 GB).", _read_kaggle),
    "folder": Source(
        "A folder",
        "Images with HAM10000_metadata.csv, an ISIC challenge's …_GroundTruth.csv, or a task.json and metadata.csv of one's own.",
        _read_folder,
    ),
}
"""Every source of data sets; a new one is a function and a row."""
