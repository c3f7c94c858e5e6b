"""Thresholds chosen on the validation part, and what they achieve on another."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skin.evaluation import metrics
from skin.evaluation.metrics import Estimate, Floats
from skin.evaluation.predictions import Predictions
from skin.evaluation.prevalence import Prevalence
from skin.task import Malignancy, Risk, Task

SET_MISSES = 10
"""A prediction set may miss the true diagnosis of one image in so many."""

MALIGNANT_MISSES = 20
"""The operating point may miss one malignant image in so many."""

TARGET = 1 - 1 / MALIGNANT_MISSES
"""The sensitivity for malignant that the operating point is set to: 95%."""

TARGETS = (0.8, 0.9, TARGET, 0.98)
"""The sensitivities that thresholds are chosen for, the one of the operating point among them."""


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
        malignant=least_kept(malignant, 1 / MALIGNANT_MISSES),
        diagnoses={code: least_kept(scores, 1 / SET_MISSES) for code, scores in by_class.items()},
        malignant_lesions=len(np.unique(np.array(validation.lesion_ids)[is_malignant])),
    )


def choose_targets(validation: Predictions) -> dict[float, float]:
    """The threshold for malignant that finds each of TARGETS of the malignant validation images, by the target."""
    is_malignant = metrics.is_malignant(validation.task, validation.truth)
    scores = metrics.malignant_scores(validation.task, validation.probabilities)[is_malignant]
    return {target: least_kept(scores, 1 - target) for target in TARGETS}


def least_kept(scores: Floats, share: float) -> float:
    """The highest threshold that loses at most this share of exchangeable scores; 0 where too few are known."""
    rank = math.floor(round((len(scores) + 1) * share, 9))  # rounded, as 1 - 0.95 is a little more than 1 / 20
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
    holds the truth, `coverage_by_class` the same of each diagnosis, and `set_size` the mean number of diagnoses in it.
    `called_low` has, by the malignancy of the truth, the images whose risk comes out low. What a report was made before is
    empty in it.
    """

    thresholds: Thresholds
    sensitivity: float
    specificity: float
    coverage: float
    set_size: float
    called_low: dict[str, CalledLow] = dataclasses.field(default_factory=dict)
    coverage_by_class: dict[str, Estimate] = dataclasses.field(default_factory=dict)


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
        coverage_by_class=_coverage_by_class(sets, predictions),
    )


def _coverage_by_class(sets: NDArray[np.bool_], predictions: Predictions) -> dict[str, Estimate]:
    """The share of each diagnosis' images whose prediction set, a row of `sets`, holds it."""
    covered = sets[np.arange(len(sets)), predictions.truth]
    of_class = np.eye(len(predictions.task), dtype=bool)[predictions.truth]

    def shares(weights: Floats) -> Floats:
        return metrics.ratio(weights @ (of_class & covered[:, None]), weights @ of_class)

    estimates = [Estimate.of(values) for values in metrics.bootstrap(shares, predictions.lesion_ids).T]
    return dict(zip(predictions.task.codes, estimates, strict=True))


def _called_low(thresholds: Thresholds, predictions: Predictions) -> dict[str, CalledLow]:
    task = predictions.task
    is_low = thresholds.risks(task, predictions.probabilities) == Risk.LOW
    kinds = [kind for kind in reversed(Malignancy) if kind in task.malignancies]  # what matters most stands first
    truths = task.malignancies[predictions.truth]
    among = np.stack([truths == kind for kind in kinds], axis=1)
    low = among & is_low[:, None]

    def shares(weights: Floats) -> Floats:
        return metrics.ratio(weights @ low, weights @ among)

    estimates = [Estimate.of(values) for values in metrics.bootstrap(shares, predictions.lesion_ids).T]
    return {
        str(kind): CalledLow(int(among[:, k].sum()), int(low[:, k].sum()), estimates[k]) for k, kind in enumerate(kinds)
    }


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if flags.size else np.nan


@dataclass(frozen=True)
class ThresholdReport:
    """The images that a threshold for malignant finds and misses, with intervals from resampling lesions.

    `target` is the sensitivity that it was chosen for, None where it was picked. `missed` counts malignant images that are
    not called so, `false_alarms` others that are. A predictive value is NaN where nothing is called so.
    """

    threshold: float
    sensitivity: Estimate
    specificity: Estimate
    positive_predictive_value: Estimate
    negative_predictive_value: Estimate
    malignant: int
    missed: int
    others: int
    false_alarms: int
    target: float | None = None


def judge_thresholds(
    predictions: Predictions, thresholds: Sequence[float], prevalence: Prevalence | None = None
) -> list[ThresholdReport]:
    """Each threshold of the malignant probability, all on the same resamples of lesions.

    With a prevalence the shares are those that the images would give were they of these diagnoses; the counts stay. Raises
    UserError where there is no image of one of them.
    """
    task, truth = predictions.task, predictions.truth
    malignant = metrics.is_malignant(task, truth)
    called = metrics.malignant_scores(task, predictions.probabilities)[:, None] >= np.array(thresholds)
    factors = prevalence.image_weights(task, truth) if prevalence else np.ones(len(truth))

    def shares(weights: Floats) -> Floats:
        return metrics.detection(malignant, called, weights * factors)

    values = metrics.bootstrap(shares, predictions.lesion_ids).transpose(1, 2, 0)
    estimates = [[Estimate.of(of_share) for of_share in of_threshold] for of_threshold in values]
    return [
        ThresholdReport(
            threshold=threshold,
            sensitivity=estimates[k][0],
            specificity=estimates[k][1],
            positive_predictive_value=estimates[k][2],
            negative_predictive_value=estimates[k][3],
            malignant=int(malignant.sum()),
            missed=int((malignant & ~called[:, k]).sum()),
            others=int((~malignant).sum()),
            false_alarms=int((called[:, k] & ~malignant).sum()),
        )
        for k, threshold in enumerate(thresholds)
    ]


def judge_targets(
    targets: Mapping[float, float], predictions: Predictions, prevalence: Prevalence | None = None
) -> tuple[ThresholdReport, ...]:
    """The thresholds that were chosen for these sensitivities, judged as `judge_thresholds` does."""
    judged = judge_thresholds(predictions, list(targets.values()), prevalence)
    return tuple(dataclasses.replace(row, target=target) for target, row in zip(targets, judged, strict=True))


NET_BENEFIT_AT = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
"""The threshold probabilities of the decision curve."""


@dataclass(frozen=True)
class NetBenefit:
    """The net benefit of acting on every lesion whose malignant probability reaches a threshold (Vickers & Elkin 2006).

    Malignant lesions found less false alarms, each of which counts as the odds of the threshold, as a share of the images;
    `all_malignant` is that of acting on every lesion, and 0 that of acting on none.
    """

    threshold: float
    benefit: Estimate
    all_malignant: float


def decision_curve(predictions: Predictions) -> tuple[NetBenefit, ...]:
    """The net benefit at NET_BENEFIT_AT, with intervals from resampling lesions."""
    task, thresholds = predictions.task, np.array(NET_BENEFIT_AT)
    malignant = metrics.is_malignant(task, predictions.truth)[:, None]
    called = metrics.malignant_scores(task, predictions.probabilities)[:, None] >= thresholds
    odds = thresholds / (1 - thresholds)

    def benefits(weights: Floats) -> Floats:
        gained = weights @ (called & malignant) - odds * (weights @ (called & ~malignant))
        return gained / weights.sum(axis=1, keepdims=True)

    estimates = [Estimate.of(values) for values in metrics.bootstrap(benefits, predictions.lesion_ids).T]
    share = float(malignant.mean())
    return tuple(
        NetBenefit(float(threshold), estimate, share - float(cost) * (1 - share))
        for threshold, estimate, cost in zip(thresholds, estimates, odds, strict=True)
    )
