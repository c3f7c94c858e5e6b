"""Answers under the eight orientations of an image: dermoscopy has no up, and the camera may be held in any way."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skin.audit.inputs import AuditInput
from skin.data.views import ORIENTATIONS, orient
from skin.evaluation import metrics
from skin.evaluation.headline import headline
from skin.evaluation.metrics import METRICS, Estimate, Floats
from skin.evaluation.operating_point import Thresholds, choose_thresholds
from skin.evaluation.predictions import Predictions, load_predictions
from skin.evaluation.shares import means
from skin.evaluation.subgroups import MIN_LESIONS
from skin.evaluation.wording import percent
from skin.inference.predictor import predictions_of
from skin.models.network import row_probabilities
from skin.records import check_names
from skin.task import Task, listed

AUDITED = ("accuracy", "balanced_accuracy", "melanoma_sensitivity")
"""The METRICS that the audit follows, where the task has what they take."""


def audited(task: Task) -> list[str]:
    """Those of AUDITED that the task has what it takes for."""
    return [name for name in AUDITED if METRICS[name].applies(task)]


@dataclass(frozen=True)
class Changes:
    """Shares of images whose answer is not the same in all eight orientations.

    `diagnosis` is of another most probable diagnosis in at least one, `malignant` of a malignant probability that lies on
    both sides of the run's threshold, NaN where the task does not tell what is malignant; `by_diagnosis` is `diagnosis` by
    the true one, NaN of fewer than MIN_LESIONS lesions.
    """

    diagnosis: Estimate
    malignant: Estimate
    by_diagnosis: dict[str, Estimate]


@dataclass(frozen=True)
class Orientations:
    """One view of each image in eight orientations, and the mean over the run's own views of an image that lies so.

    `figures` are the audited metrics of one view, in each orientation.
    """

    n: int
    n_lesions: int
    views: int
    one_view: Changes
    as_predicted: Changes
    figures: tuple[dict[str, Estimate], ...]

    def __post_init__(self) -> None:
        if len(self.figures) != ORIENTATIONS:
            raise ValueError(f"there are not {ORIENTATIONS} orientations")
        for figures in self.figures:
            check_names(figures, METRICS)

    def sentences(self) -> list[str]:
        """The figures in words."""
        return [
            f"Dermoscopy has no up, and a picture that is turned or mirrored shows the same lesion. From one view each, "
            f"{percent(self.one_view.diagnosis)} of the {self.n:,} test images do not have the same most probable diagnosis "
            f"in all eight orientations{self._called(self.one_view)}.",
            *self._by_diagnosis(),
            *self._of_metrics(),
            self._averaged(),
        ]

    def _called(self, changes: Changes) -> str:
        if math.isnan(changes.malignant.value):
            return ""
        return f", and {percent(changes.malignant)} are called malignant in some of them and not in others"

    def _by_diagnosis(self) -> list[str]:
        known = {code: share for code, share in self.one_view.by_diagnosis.items() if not math.isnan(share.value)}
        ordered = sorted(known, key=lambda code: -known[code].value)
        told = listed([f"{code} {percent(known[code])}" for code in ordered])
        return [f"By the true diagnosis, the most probable one changes for: {told}."] if ordered else []

    def _of_metrics(self) -> list[str]:
        ranges = []
        for name in self.figures[0]:
            values = [figures[name].value for figures in self.figures]
            if math.isnan(values[0]):
                continue
            ranges.append(f"{METRICS[name].label.lower()} from {min(values):.1%} to {max(values):.1%}")
        return [f"Over the orientations {listed(ranges)}: the answers change one by one, not as a whole."]

    def _averaged(self) -> str:
        if self.views == ORIENTATIONS:
            return "This run answers with the mean over all eight, which is the same however the picture lies."
        views = f"the mean over {self.views} of them" if self.views > 1 else "one view"
        return (
            f"This run answers with {views}: {percent(self.as_predicted.diagnosis)} of its answers change with the "
            f"orientation{self._called(self.as_predicted)}."
        )


def compute(inputs: AuditInput) -> Orientations:
    """The answers to a run's test images in all eight orientations."""
    rows, predictor = inputs.rows["test"], inputs.predictor
    views = row_probabilities(predictor.network, inputs.pixels, inputs.patients, rows, ORIENTATIONS, inputs.progress)
    thresholds = choose_thresholds(load_predictions(inputs.run.predictions_path)["validation"])
    predictions = predictions_of(predictor.task, inputs.images("test"), views[0])
    return judge_orientations(predictions, views, inputs.run.config.views, thresholds)


def judge_orientations(
    predictions: Predictions, views: NDArray[np.float32], n_views: int, thresholds: Thresholds
) -> Orientations:
    """The answers to the images of `predictions` by `views`, probabilities of shape (8, n_images, n_classes).

    The run predicts by the mean of its first `n_views` views.
    """
    averaged = np.stack([views[_seen(turned, n_views)].mean(axis=0) for turned in range(ORIENTATIONS)])
    names = audited(predictions.task)
    return Orientations(
        n=len(predictions.image_ids),
        n_lesions=len(set(predictions.lesion_ids)),
        views=n_views,
        one_view=_changes(predictions, views, thresholds),
        as_predicted=_changes(predictions, averaged, thresholds),
        figures=tuple(headline(dataclasses.replace(predictions, probabilities=view), names) for view in views),
    )


def _seen(turned: int, n_views: int) -> list[int]:
    """The orientations, as numbers of `orient`, that a run of so many views sees of an image that lies turned already."""
    corners = np.arange(4, dtype=np.uint8).reshape(2, 2, 1)
    forms = [orient(corners, orientation).tobytes() for orientation in range(ORIENTATIONS)]
    return [forms.index(orient(orient(corners, turned), view).tobytes()) for view in range(n_views)]


def _changes(predictions: Predictions, answers: NDArray[np.float32], thresholds: Thresholds) -> Changes:
    """Changes between answers of shape (8, n_images, n_classes)."""
    task, truth, lesions = predictions.task, predictions.truth, np.array(predictions.lesion_ids)
    is_other = _differ(np.stack([answer.argmax(axis=1) for answer in answers]))
    scores = np.stack([metrics.malignant_scores(task, answer) for answer in answers])
    is_called_other = _differ(_rounded(scores) >= round(thresholds.malignant, 5))
    true = truth[:, None] == np.arange(len(task))
    enough = [len(np.unique(lesions[column])) >= MIN_LESIONS for column in true.T]
    everyone, told = np.ones((len(truth), 1), bool), np.full((len(truth), 1), task.tells_malignant)
    diagnosis, malignant, *by_true = means(
        np.column_stack([is_other, is_called_other, *[is_other] * len(task)]),
        np.hstack([everyone, told, true & enough]),
        predictions.lesion_ids,
    )
    return Changes(diagnosis, malignant, dict(zip(task.codes, by_true, strict=True)))


def _differ(answers: NDArray[np.int64] | NDArray[np.bool_]) -> NDArray[np.bool_]:
    """True for each image whose answers, of shape (8, n_images), are not all the same."""
    differ: NDArray[np.bool_] = (answers != answers[:1]).any(axis=0)
    return differ


def _rounded(scores: Floats) -> Floats:
    """Scores without the noise of sums in another order, by which a mean over all eight views would seem to change."""
    rounded: Floats = np.round(scores, 5)
    return rounded
