"""Which data sets are open, and which of their images are looked at."""

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock

import pandas as pd

from skin.data import datasets, ham10000
from skin.data.datasets import DATASETS, Dataset
from skin.errors import UsageError, UserError
from skin.lesion import TAXONOMY, LesionImage
from skin.patient import MAX_AGE
from skin.progress import Progress, silent
from skin.ui import folders
from skin.workspace import Workspace

COLUMNS = ["image_id", "lesion_id", "diagnosis", "age", "sex", "site", "confirmed_by", "source"]
"""What is shown of a frame; where its files lie is nobody's business."""

UNKNOWN = "unknown"
"""What is chosen for an image whose confirmation or source nobody told."""


@dataclass(frozen=True)
class Filters:
    """Which images are looked at; an empty choice stands for all, ages are in years.

    Raises UsageError when the ages are the wrong way round.
    """

    diagnoses: tuple[str, ...] = ()
    sexes: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    confirmations: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    youngest: float = 0
    oldest: float = MAX_AGE
    unknown_age: bool = True

    def __post_init__(self) -> None:
        if self.youngest > self.oldest:
            raise UsageError(
                f"No age lies between {self.youngest:g} and {self.oldest:g}: make the first the lower one."
            )

    def select(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows that fit."""
        fits = frame["age"].between(self.youngest, self.oldest)
        if self.unknown_age:
            fits |= frame["age"].isna()
        for column, chosen in self._chosen.items():
            if chosen:
                fits &= frame[column].replace("", UNKNOWN).isin(chosen)
        return frame[fits]

    @property
    def _chosen(self) -> dict[str, tuple[str, ...]]:
        return {
            "diagnosis": self.diagnoses,
            "sex": self.sexes,
            "site": self.sites,
            "confirmed_by": self.confirmations,
            "source": self.sources,
        }


@dataclass(frozen=True)
class Look:
    """What one browser looks at: the name of a data set ("" for none yet), when it was opened, and the filters."""

    name: str = ""
    opened: float = 0.0
    filters: Filters = Filters()


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

    @cached_property
    def images(self) -> dict[str, LesionImage]:
        """The images by their ids."""
        return {image.image_id: image for image in self.dataset.images}

    @cached_property
    def texts(self) -> "pd.Series[str]":
        """What a search looks through: a text in lower case for each row of the frame."""
        names = self.frame["diagnosis"].map({diagnosis.code: diagnosis.name for diagnosis in TAXONOMY})
        return names.str.cat(self.frame[COLUMNS].astype(str), sep="\t", na_rep="").str.lower()


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
