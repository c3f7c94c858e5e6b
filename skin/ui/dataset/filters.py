"""Filters of a data set's images, and the view of it that one browser has."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from skin.patient import UNKNOWN
from skin.ui.components.open_datasets import OpenDatasets


@dataclass(frozen=True)
class NumberRange:
    """Numbers from the lowest to the highest, and whether an image fits of which the number is unknown."""

    low: float
    high: float
    unknown: bool = True


@dataclass(frozen=True)
class Filters:
    """The values that are looked at, by the column of the frame; an empty choice stands for all."""

    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, NumberRange] = field(default_factory=dict)

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
class DatasetView:
    """The data set that one browser looks at: its name ("" for none yet), when it was opened, and the filters."""

    name: str = ""
    opened: float = 0.0
    filters: Filters = field(default_factory=Filters)

    def rows(self, open_datasets: "OpenDatasets") -> pd.DataFrame:
        """A row for each image that the filters leave; none while no data set is open."""
        return self.filters.select(open_datasets[self.name].frame) if self.name else pd.DataFrame()
