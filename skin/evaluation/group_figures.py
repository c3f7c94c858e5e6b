"""Figures of groups of images at a run's own threshold, their calibration among them, and the gaps between groups."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skin.evaluation import metrics
from skin.evaluation.metrics import Estimate, Floats
from skin.evaluation.operating_point import Thresholds
from skin.evaluation.predictions import Predictions
from skin.evaluation.shares import mean_values
from skin.evaluation.subgroups import MIN_LESIONS
from skin.evaluation.wording import is_beyond_chance, percent, points
from skin.patient import UNKNOWN
from skin.records import check_names
from skin.task import Task, listed


@dataclass(frozen=True)
class GroupFigure:
    """A row of GROUP_FIGURES: a mean over images.

    `function` takes predictions and thresholds, and returns a value of each image and the images that count, both of
    shape (n_images,). `applies` is whether a task has what it asks for, `said` puts an estimate in words.
    """

    label: str
    help: str
    function: Callable[[Predictions, Thresholds], tuple[Floats, NDArray[np.bool_]]]
    applies: Callable[[Task], bool] = lambda _: True
    said: Callable[[Estimate], str] = percent


def _accuracy(predictions: Predictions, _: Thresholds) -> tuple[Floats, NDArray[np.bool_]]:
    is_right = predictions.predicted == predictions.truth
    return is_right.astype(np.float64), np.ones_like(is_right)


def _sensitivity(predictions: Predictions, thresholds: Thresholds) -> tuple[Floats, NDArray[np.bool_]]:
    return _called(predictions, thresholds), metrics.is_malignant(predictions.task, predictions.truth)


def _specificity(predictions: Predictions, thresholds: Thresholds) -> tuple[Floats, NDArray[np.bool_]]:
    return 1 - _called(predictions, thresholds), ~metrics.is_malignant(predictions.task, predictions.truth)


def _called(predictions: Predictions, thresholds: Thresholds) -> Floats:
    scores = metrics.malignant_scores(predictions.task, predictions.probabilities)
    return (scores >= thresholds.malignant).astype(np.float64)


def _overconfidence(predictions: Predictions, _: Thresholds) -> tuple[Floats, NDArray[np.bool_]]:
    is_right = predictions.predicted == predictions.truth
    return predictions.probabilities.max(axis=1).astype(np.float64) - is_right, np.ones_like(is_right)


def _malignant_excess(predictions: Predictions, _: Thresholds) -> tuple[Floats, NDArray[np.bool_]]:
    malignant = metrics.is_malignant(predictions.task, predictions.truth)
    return metrics.malignant_scores(predictions.task, predictions.probabilities) - malignant, np.ones_like(malignant)


def _tells_malignant(task: Task) -> bool:
    return task.tells_malignant


GROUP_FIGURES: dict[str, GroupFigure] = {
    "accuracy": GroupFigure("Accuracy", "Share of images whose most probable diagnosis is right.", _accuracy),
    "sensitivity": GroupFigure(
        "Sensitivity",
        "Share of malignant images that are called malignant at the run's own threshold.",
        _sensitivity,
        _tells_malignant,
    ),
    "specificity": GroupFigure(
        "Specificity",
        "Share of the other images that are not called malignant at the run's own threshold.",
        _specificity,
        _tells_malignant,
    ),
    "overconfidence": GroupFigure(
        "Confidence minus accuracy",
        "Mean highest probability minus accuracy: above 0 is too sure of itself, below 0 not sure enough.",
        _overconfidence,
        said=points,
    ),
    "malignant_excess": GroupFigure(
        "Malignant, expected minus seen",
        "Mean malignant probability minus the share of malignant images: above 0 warns too much, below 0 too little.",
        _malignant_excess,
        _tells_malignant,
        points,
    ),
}
"""Figures of a group, with no shares of classes in them: the groups hold other mixes of diagnoses."""


@dataclass(frozen=True)
class Group:
    """The figures of one group of images by the names of GROUP_FIGURES; NaN for fewer than MIN_LESIONS lesions that count."""

    n: int
    n_lesions: int
    figures: dict[str, Estimate]


@dataclass(frozen=True)
class Gap:
    """The largest difference in a figure between two groups that have it, the higher minus the lower.

    Its interval is that of these two groups, and says nothing of their having been picked for their difference.
    """

    figure: str
    higher: str
    lower: str
    difference: Estimate


@dataclass(frozen=True)
class GroupReport:
    """The groups of one grouping in the alphabet's order, "unknown" last, and the largest gap in each figure."""

    groups: dict[str, Group]
    gaps: tuple[Gap, ...]

    def __post_init__(self) -> None:
        for group in self.groups.values():
            check_names(group.figures, GROUP_FIGURES)
        for gap in self.gaps:
            check_names((gap.higher, gap.lower), self.groups)
            check_names([gap.figure], self.groups[gap.higher].figures.keys() & self.groups[gap.lower].figures.keys())

    def sentences(self) -> list[str]:
        """The gaps that lie beyond chance, and the groups of which too little is known."""
        gaps = [self._gap_in_words(gap) for gap in self.gaps if is_beyond_chance(gap.difference)]
        return [*gaps, *self._too_small()]

    def _gap_in_words(self, gap: Gap) -> str:
        row = GROUP_FIGURES[gap.figure]
        told = [
            f"{row.said(self.groups[name].figures[gap.figure])} in {spaced(name)!r}" for name in (gap.higher, gap.lower)
        ]
        return f"{row.label}: {' against '.join(told)}, a gap of {points(gap.difference)}.{self._too_narrow(gap)}"

    def _too_narrow(self, gap: Gap) -> str:
        """A warning where all images of a group are alike, which no resampling of them varies; "" otherwise."""
        figures = [self.groups[name].figures[gap.figure] for name in (gap.higher, gap.lower)]
        if all(figure.low < figure.high for figure in figures):
            return ""
        return " An interval of no width is too narrow: other lesions would differ where these do not."

    def _too_small(self) -> list[str]:
        """The groups without any figure, and those that have no sensitivity."""
        named = {
            name: [figure for figure, estimate in group.figures.items() if math.isnan(estimate.value)]
            for name, group in self.groups.items()
        }
        nothing = [name for name, lacking in named.items() if len(lacking) == len(self.groups[name].figures)]
        no_sensitivity = [name for name, lacking in named.items() if "sensitivity" in lacking and name not in nothing]
        return [
            f"{what} in {listed([f'{spaced(name)} ({self.groups[name].n:,} images)' for name in names])}: {consequence}"
            for names, what, consequence in (
                (nothing, f"Fewer than {MIN_LESIONS} lesions", "nothing can be said of them."),
                (no_sensitivity, f"Fewer than {MIN_LESIONS} malignant lesions", "what is missed there is not known."),
            )
            if names
        ]


def spaced(name: str) -> str:
    """The name of a group or grouping as people read it."""
    return name.replace("_", " ")


def figures_of(task: Task) -> dict[str, GroupFigure]:
    """The rows of GROUP_FIGURES that the task has what it takes for."""
    return {name: row for name, row in GROUP_FIGURES.items() if row.applies(task)}


def judge_groups(predictions: Predictions, thresholds: Thresholds, group_of: Mapping[str, str]) -> GroupReport:
    """The figures of each group of the images, all on the same resamples of lesions; `group_of` has it by image id."""
    names = np.array([group_of[image_id] for image_id in predictions.image_ids])
    ordered = sorted(set(names.tolist()), key=lambda name: (name == UNKNOWN, name))
    rows = figures_of(predictions.task)
    given = [row.function(predictions, thresholds) for row in rows.values()]
    values = np.column_stack([value for _ in ordered for value, _ in given])
    among = np.column_stack([counts & (names == name) for name in ordered for _, counts in given])
    lesions = np.array(predictions.lesion_ids)
    resampled = mean_values(values, among & _enough(lesions, among), predictions.lesion_ids)
    columns = resampled.T.reshape(len(ordered), len(rows), -1)
    groups = {
        name: Group(
            n=int((names == name).sum()),
            n_lesions=len(np.unique(lesions[names == name])),
            figures={figure: Estimate.of(column) for figure, column in zip(rows, columns[place], strict=True)},
        )
        for place, name in enumerate(ordered)
    }
    known = [place for place, name in enumerate(ordered) if name != UNKNOWN]
    gaps = (_gap(figure, [(ordered[place], columns[place, row]) for place in known]) for row, figure in enumerate(rows))
    return GroupReport(groups, tuple(gap for gap in gaps if gap is not None))


def _enough(lesions: NDArray[np.str_], among: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """True for the columns in which at least MIN_LESIONS lesions count."""
    return np.array([len(np.unique(lesions[column])) >= MIN_LESIONS for column in among.T])


def _gap(figure: str, groups: list[tuple[str, Floats]]) -> Gap | None:
    """The largest gap between groups with resampled values; None where fewer than two have any."""
    defined = sorted((pair for pair in groups if np.isfinite(pair[1][0])), key=lambda pair: float(pair[1][0]))
    if len(defined) < 2:
        return None
    (lower, low), (higher, high) = defined[0], defined[-1]
    return Gap(figure, higher, lower, Estimate.of(high - low))
