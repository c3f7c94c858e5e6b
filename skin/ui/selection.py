"""Which data sets are open, and which of their images are looked at."""

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
from skin.patient import UNKNOWN
from skin.progress import Progress, silent
from skin.ui import folders
from skin.workspace import Workspace


@dataclass(frozen=True)
class Range:
    """Numbers from the lowest to the highest, and whether an image fits of which the number is unknown."""

    low: float
    high: float
    unknown: bool = True


@dataclass(frozen=True)
class Filters:
    """Which images are looked at, by the column of the frame; an empty choice stands for all."""

    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, Range] = field(default_factory=dict)

    def __hash__(self) -> int:  # by which Gradio sees that a State has changed
        return hash((frozenset(self.chosen.items()), frozenset(self.ranges.items())))

    def select(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows that fit."""
        fits = pd.Series(True, frame.index)
        for column, wanted in self.ranges.items():
            fits &= frame[column].between(wanted.low, wanted.high) | (frame[column].isna() & wanted.unknown)
        for column, chosen in self.chosen.items():
            if chosen:
                fits &= frame[column].replace("", UNKNOWN).isin(chosen)
        return frame[fits]


@dataclass(frozen=True)
class Look:
    """What one browser looks at: the name of a data set ("" for none yet), when it was opened, and the filters."""

    name: str = ""
    opened: float = 0.0
    filters: Filters = field(default_factory=Filters)


@dataclass(frozen=True)
class Sent:
    """An image that is on its way to the Predict tab: the name of its data set, its id, and when it was sent."""

    dataset: str
    image_id: str
    when: float


@dataclass(frozen=True)
class Opened:
    """A data set, with what is looked up in it again and again."""

    dataset: Dataset

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row an image; see `Dataset.frame`."""
        return self.dataset.frame()

    @property
    def columns(self) -> list[str]:
        """What is shown of the frame; where its files lie is nobody's business."""
        return [str(column) for column in self.frame if column != "path"]

    @cached_property
    def images(self) -> dict[str, LesionImage]:
        """The images by their ids."""
        return {image.image_id: image for image in self.dataset.images}

    @cached_property
    def texts(self) -> "pd.Series[str]":
        """What a search looks through: a text in lower case for each row of the frame."""
        names = self.frame["diagnosis"].map({known.code: known.name for known in self.dataset.task.diagnoses})
        return names.str.cat(self.frame[self.columns].astype(str), sep="\t", na_rep="").str.lower()


@dataclass(frozen=True)
class Shelf:
    """The data sets opened last, shared by everyone who looks; a browser's own state is only a Look."""

    workspace: Workspace
    size: int = 4
    _opened: OrderedDict[str, Opened] = field(default_factory=OrderedDict)
    _reading: Lock = field(default_factory=Lock)

    def open(self, name: str, progress: Progress = silent) -> Opened:
        """Read a data set, even one that is open already: its folder may have changed.

        Raises UserError when it cannot be had.
        """
        with self._reading:  # two visitors at once would draw the demo data into each other's files
            opened = Opened(datasets.load(name, self.workspace, progress))
            self._opened[opened.dataset.name] = opened
            while len(self._opened) > self.size:
                self._opened.popitem(last=False)
        return opened

    def __getitem__(self, name: str) -> Opened:
        """The open data set of this name; one that had to make room is read again."""
        return self._opened.get(name) or self.open(name)

    def at_hand(self, name: str) -> str | None:
        """The name under which a data set is kept that can be read without downloading it; None for any other."""
        if name == "kaggle":
            return name if ham10000.is_downloaded(self.workspace) else None
        return name if name in DATASETS else folders.full_path(name)

    def holding(self, diagnoses: Mapping[str, str], name: str) -> Opened | None:
        """The data set of this name or, where it is elsewhere, another one at hand that holds the same images.

        These are given by their ids, with their diagnoses: where one differs, it is another image of that id. None
        where no data set at hand holds any of them.
        """
        for candidate in (name, "kaggle", *folders.remembered(self.workspace)):
            with suppress(UserError):  # of a folder that holds no data set any more
                opened = self[kept] if (kept := self.at_hand(candidate)) else None
                if opened and _holds(opened, diagnoses, strictly=candidate != name):
                    return opened
        return None

    def selected(self, look: Look) -> pd.DataFrame:
        """The rows of the images that are looked at; none while no data set is open."""
        return look.filters.select(self[look.name].frame) if look.name else pd.DataFrame()


def _holds(opened: Opened, diagnoses: Mapping[str, str], strictly: bool) -> bool:
    """Whether it holds any of these images; strictly: and none of another diagnosis under one of their ids."""
    shared = opened.images.keys() & diagnoses.keys()
    alike = (opened.images[image_id].diagnosis == diagnoses[image_id] for image_id in shared)
    return bool(shared) and (not strictly or all(alike))
