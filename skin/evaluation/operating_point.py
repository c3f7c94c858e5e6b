"""Thresholds chosen on the validation part, and what they achieve on another."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from skin.evaluation import metrics
from skin.evaluation.metrics import Estimate, Floats
from skin.evaluation.predictions import Predictions
from skin.task import Malignancy, Risk, Task

SET_MISSES = 10
"""A prediction set may miss the true diagnosis of one image in so many."""

MALIGNANT_MISSES = 20
"""The operating point may miss one malignant image in so many (95% sensitivity)."""


@dataclass(frozen=True)
class Thresholds:
    """Thresholds, which are chosen on the validation part, and never on the part that they are judged by.

    `malignant` is the least malignant probability at which a lesion is called malignant, 0 where the task does not tell
    what is malignant; `diagnoses` holds the least probability at which each diagnosis enters the prediction set. `malignant_lesions` is how many lesions the former
    was chosen on, None where that was not counted.
    """

    malignant: float
    diagnoses: dict[str, float]
    malignant_lesions: int | None = None

    def prediction_sets(self, task: Task, probabilities: Floats) -> NDArray[np.bool_]:
        """True for diagnoses that stay possible, of shape (n_images, n_classes); the most probable one always does."""
        least = np.array([self.diagnoses[code] for code in task.codes])
        most_probable: NDArray[np.bool_] = probabilities == probabilities.max(axis=1, keepdims=True)
        return (probabilities >= least) | most_probable

    def risks(self, task: Task, probabilities: Floats) -> NDArray[np.str_]:
        """The Risk of each image, of shape (n_images,).

        High where the most probable diagnosis is malignant; moderate where the malignant probability reaches the
        threshold, or a malignant or pre-cancerous diagnosis is in the prediction set; low where none of these holds.
        """
        is_high = task.malignancies[probabilities.argmax(axis=1)] == Malignancy.MALIGNANT
        is_called = metrics.malignant_scores(task, probabilities) >= self.malignant
        is_left = self.prediction_sets(task, probabilities)[:, task.malignancies != Malignancy.BENIGN].any(axis=1)
        return np.select([is_high, is_called | is_left], [Risk.HIGH, Risk.MODERATE], Risk.LOW)


def choose_thresholds(validation: Predictions) -> Thresholds:
    """Thresholds that keep the promised share of the validation part.

    Class-conditional split-conformal sets: 90% of the images of each diagnosis have it in their set (Sadinle, Lei &
    Wasserman 2019, "Least ambiguous set-valued classifiers"; finite-sample rank of Angelopoulos & Bates 2021).
    """
    task, truth, probabilities = validation.task, validation.truth, validation.probabilities
    is_malignant = metrics.is_malignant(task, truth)
    malignant = metrics.malignant_scores(task, probabilities)[is_malignant]
    by_class = {code: probabilities[truth == k, k] for k, code in enumerate(task.codes)}
    return Thresholds(
        malignant=_least_kept(malignant, MALIGNANT_MISSES),
        diagnoses={code: _least_kept(scores, SET_MISSES) for code, scores in by_class.items()},
        malignant_lesions=len(np.unique(np.array(validation.lesion_ids)[is_malignant])),
    )


def _least_kept(scores: Floats, one_in: int) -> float:
    """The highest threshold that loses at most one exchangeable score in `one_in`; 0 where too few are known."""
    rank = (len(scores) + 1) // one_in
    return float(np.sort(scores)[rank - 1]) if rank else 0.0


@dataclass(frozen=True)
class CalledLow:
    """Number of images, how many of them come out at low risk, and the 95% interval of that share by lesions."""

    images: int
    low_risk: int
    share: Estimate


@dataclass(frozen=True)
class OperatingPoint:
    """The rates that thresholds chosen on the validation part achieve on this one; NaN where undefined.

    Sensitivity and specificity of malignant against the rest; `coverage` is the share of images whose prediction set
    holds the truth, `set_size` the mean number of diagnoses in it. `called_low` has, by the malignancy of the truth,
    the images whose risk comes out low; it is empty in a report made before there was such a count.
    """

    thresholds: Thresholds
    sensitivity: float
    specificity: float
    coverage: float
    set_size: float
    called_low: dict[str, CalledLow] = dataclasses.field(default_factory=dict)


def operating_point(thresholds: Thresholds, predictions: Predictions) -> OperatingPoint:
    """The achievement of the thresholds on these predictions."""
    task = predictions.task
    called = metrics.malignant_scores(task, predictions.probabilities) >= thresholds.malignant
    malignant = metrics.is_malignant(task, predictions.truth)
    sets = thresholds.prediction_sets(task, predictions.probabilities)
    return OperatingPoint(
        thresholds=thresholds,
        sensitivity=_share(called[malignant]),
        specificity=_share(~called[~malignant]),
        coverage=_share(sets[np.arange(len(sets)), predictions.truth]),
        set_size=float(sets.sum(axis=1).mean()),
        called_low=_called_low(thresholds, predictions),
    )


def _called_low(thresholds: Thresholds, predictions: Predictions) -> dict[str, CalledLow]:
    task = predictions.task
    is_low = thresholds.risks(task, predictions.probabilities) == Risk.LOW
    kinds = [kind for kind in reversed(Malignancy) if kind in task.malignancies]  # what matters most stands first
    truths = task.malignancies[predictions.truth]
    among = np.stack([truths == kind for kind in kinds], axis=1)
    low = among & is_low[:, None]

    def shares(weights: Floats) -> Floats:
        images = weights @ among
        return np.divide(weights @ low, images, out=np.full(images.shape, np.nan), where=images > 0)

    estimates = [Estimate.of(values) for values in metrics.bootstrap(shares, predictions.lesion_ids).T]
    return {
        str(kind): CalledLow(int(among[:, k].sum()), int(low[:, k].sum()), estimates[k]) for k, kind in enumerate(kinds)
    }


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if flags.size else np.nan


@dataclass(frozen=True)
class ThresholdReport:
    """The images that a threshold for malignant finds and misses, with intervals from resampling lesions.

    `missed` counts malignant images that are not called so, `false_alarms` others that are. The positive predictive
    value is NaN where nothing is called malignant.
    """

    threshold: float
    sensitivity: Estimate
    specificity: Estimate
    positive_predictive_value: Estimate
    malignant: int
    missed: int
    others: int
    false_alarms: int


def judge_thresholds(predictions: Predictions, thresholds: Sequence[float]) -> list[ThresholdReport]:
    """Each threshold of the malignant probability, all on the same resamples of lesions."""
    malignant = metrics.is_malignant(predictions.task, predictions.truth)
    called = metrics.malignant_scores(predictions.task, predictions.probabilities)[:, None] >= np.array(thresholds)
    shares = metrics.bootstrap(partial(metrics.detection, malignant, called), predictions.lesion_ids)
    estimates = [[Estimate.of(values) for values in of_threshold] for of_threshold in shares.transpose(1, 2, 0)]
    return [
        ThresholdReport(
            threshold=threshold,
            sensitivity=estimates[k][0],
            specificity=estimates[k][1],
            positive_predictive_value=estimates[k][2],
            malignant=int(malignant.sum()),
            missed=int((malignant & ~called[:, k]).sum()),
            others=int((~malignant).sum()),
            false_alarms=int((called[:, k] & ~malignant).sum()),
        )
        for k, threshold in enumerate(thresholds)
    ]
