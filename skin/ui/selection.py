"""Which data sets are open, and which of their images are looked at."""

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from skin.data import datasets
from skin.data.datasets import Dataset
from skin.errors import UsageError
from skin.lesion import TAXONOMY
from skin.patient import MAX_AGE
from skin.progress import Progress, silent
from skin.workspace import Workspace

COLUMNS = ["image_id", "lesion_id", "diagnosis", "age", "sex", "site", "confirmed_by", "source"]
"""What is shown of a frame; where its files lie is nobody's business."""


@dataclass(frozen=True)
class Filters:
    """Which images are looked at; an empty choice stands for all, ages are in years.

    Raises UsageError when the ages are the wrong way round.
    """

    diagnoses: tuple[str, ...] = ()
    sexes: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
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
        for column, chosen in (("diagnosis", self.diagnoses), ("sex", self.sexes), ("site", self.sites)):
            if chosen:
                fits &= frame[column].isin(chosen)
        return frame[fits]


@dataclass(frozen=True)
class Look:
    """What one browser looks at: the name of a data set ("" for none yet), when it was opened, and the filters."""

    name: str = ""
    opened: float = 0.0
    filters: Filters = Filters()


@dataclass(frozen=True)
class Opened:
    """A data set, with what is looked up in it again and again."""

    dataset: Dataset

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row an image; see `Dataset.frame`."""
        return self.dataset.frame()

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

    def open(self, name: str, progress: Progress = silent) -> Opened:
        """Read a data set, even one that is open already: its folder may have changed.

        Raises UserError when it cannot be had.
        """
        opened = Opened(datasets.load(name, self.workspace, progress))
        self._opened[opened.dataset.name] = opened
        while len(self._opened) > self.size:
            self._opened.popitem(last=False)
        return opened

    def __getitem__(self, name: str) -> Opened:
        """The open data set of this name; one that had to make room is read again."""
        return self._opened.get(name) or self.open(name)

    def selected(self, look: Look) -> pd.DataFrame:
        """The rows of the images that are looked at; none while no data set is open."""
        return look.filters.select(self[look.name].frame) if look.name else pd.DataFrame()
