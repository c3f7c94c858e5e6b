"""The data sets that are open, shared by everyone who looks at them."""

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock

import pandas as pd

from skin.data import datasets, ham10000
from skin.data.dataset import Dataset, LesionImage
from skin.data.datasets import DATASETS
from skin.errors import UserError
from skin.progress import Progress, silent
from skin.ui.components import recent_folders
from skin.workspace import Workspace


@dataclass(frozen=True)
class SentImage:
    """An image that is on its way to the Predict tab: the name of its data set, its id, and when it was sent."""

    dataset: str
    image_id: str
    when: float


@dataclass(frozen=True)
class OpenDataset:
    """A data set, with what is looked up in it again and again."""

    dataset: Dataset

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row an image; see `Dataset.frame`."""
        return self.dataset.frame()

    @property
    def columns(self) -> list[str]:
        """The columns of the frame that are shown; where its files lie is nobody's business."""
        return [str(column) for column in self.frame if column != "path"]

    @cached_property
    def images(self) -> dict[str, LesionImage]:
        """The images by their ids."""
        return {image.image_id: image for image in self.dataset.images}

    @cached_property
    def texts(self) -> "pd.Series[str]":
        """The texts that a search looks through, in lower case, one for each row of the frame."""
        names = self.frame["diagnosis"].map({known.code: known.name for known in self.dataset.task.diagnoses})
        return names.str.cat(self.frame[self.columns].astype(str), sep="\t", na_rep="").str.lower()


@dataclass(frozen=True)
class OpenDatasets:
    """The data sets opened last, shared by everyone who looks; a browser's own state is only a DatasetView."""

    workspace: Workspace
    size: int = 4
    _opened: OrderedDict[str, OpenDataset] = field(default_factory=OrderedDict)
    _reading: Lock = field(default_factory=Lock)

    def open(self, name: str, progress: Progress = silent) -> OpenDataset:
        """Read a data set, even one that is open already: its folder may have changed.

        Raises UserError when it cannot be had.
        """
        with self._reading:  # two visitors at once would draw the demo data into each other's files
            opened = OpenDataset(datasets.load(name, self.workspace, progress))
            self._opened[opened.dataset.name] = opened
            while len(self._opened) > self.size:
                self._opened.popitem(last=False)
        return opened

    def __getitem__(self, name: str) -> OpenDataset:
        """The open data set of this name; one that had to make room is read again."""
        return self._opened.get(name) or self.open(name)

    def at_hand(self, name: str) -> str | None:
        """The name under which a data set is kept that can be read without downloading it; None for any other."""
        if name == "kaggle":
            return name if ham10000.is_downloaded(self.workspace) else None
        return name if name in DATASETS else recent_folders.full_path(name)

    def find_images(self, diagnoses: Mapping[str, str], name: str) -> OpenDataset | None:
        """The data set of this name or, where it is elsewhere, another one at hand that holds the same images.

        These are given by their ids, with their diagnoses: where one differs, it is another image of that id. None
        where no data set at hand holds any of them.
        """
        for candidate in (name, "kaggle", *recent_folders.recent_folders(self.workspace)):
            with suppress(UserError):  # of a folder that holds no data set any more
                opened = self[kept] if (kept := self.at_hand(candidate)) else None
                if opened and _holds(opened, diagnoses, strictly=candidate != name):
                    return opened
        return None


def _holds(opened: OpenDataset, diagnoses: Mapping[str, str], strictly: bool) -> bool:
    """True where it holds any of these images; strictly: and none of another diagnosis under one of their ids."""
    shared = opened.images.keys() & diagnoses.keys()
    alike = (opened.images[image_id].diagnosis == diagnoses[image_id] for image_id in shared)
    return bool(shared) and (not strictly or all(alike))
