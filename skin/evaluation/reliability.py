"""Calibration before and after the temperature: the scores of the probabilities, and those of each diagnosis."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import softmax

from skin.evaluation import metrics
from skin.evaluation.headline import headline
from skin.evaluation.metrics import Estimate
from skin.evaluation.predictions import Predictions
from skin.evaluation.prevalence import ClassShares, reweigh

SCORES = ("ece", "brier", "log_loss")
"""The METRICS that calibration is judged by."""


@dataclass(frozen=True)
class ClassCalibration:
    """A diagnosis' share of the images and its mean probability, which agree where it is calibrated in the large.

    `error` is the mean gap between its probability and its share over bins of the probability, NaN where unknown.
    """

    share: float
    mean_probability: float
    error: float


@dataclass(frozen=True)
class Calibration:
    """The SCORES of probabilities with their intervals, and each diagnosis by code."""

    scores: dict[str, Estimate]
    per_class: dict[str, ClassCalibration]


@dataclass(frozen=True)
class CalibrationReport:
    """The calibration of a part of a run, and what it was `before` the temperature, None where that is not known.

    `reweighed` is that of the probabilities for the prevalence of the training data, None without a validation part.
    """

    after: Calibration
    temperature: float | None = None
    before: Calibration | None = None
    reweighed: Calibration | None = None


def calibration_report(
    predictions: Predictions, temperature: float | None = None, shares: ClassShares | None = None
) -> CalibrationReport | None:
    """The calibration of these predictions, None of bare diagnoses.

    `temperature` is the one that is in them, and `shares` are those of the validation part.
    """
    if predictions.are_labels:
        return None
    return CalibrationReport(
        after=calibration(predictions),
        temperature=temperature,
        before=calibration(untempered(predictions, temperature)) if temperature else None,
        reweighed=calibration(_as_in_training(predictions, shares)) if shares else None,
    )


def _as_in_training(predictions: Predictions, shares: ClassShares) -> Predictions:
    reweighed = reweigh(predictions.probabilities, shares.implied, shares.counted)
    return replace(predictions, probabilities=reweighed.astype(np.float32))


def calibration(predictions: Predictions) -> Calibration:
    """The calibration of the probabilities as they are."""
    truth, probabilities = predictions.truth, predictions.probabilities
    (errors,) = metrics.class_calibration_errors(truth, probabilities, np.ones((1, len(truth))))
    shares = np.bincount(truth, minlength=len(predictions.task)) / len(truth)
    means = probabilities.mean(axis=0, dtype=np.float64)
    per_class = {
        code: ClassCalibration(float(shares[k]), float(means[k]), float(errors[k]))
        for k, code in enumerate(predictions.task.codes)
    }
    return Calibration(headline(predictions, SCORES), per_class)


def untempered(predictions: Predictions, temperature: float) -> Predictions:
    """The predictions without the temperature that is in them.

    Exact where a prediction is of one view. Of several, whose mean is kept and not each of them, the temperature is taken out
    of the mean.
    """
    logits = np.log(np.maximum(predictions.probabilities.astype(np.float64), np.finfo(np.float32).tiny))
    probabilities = softmax(logits * temperature, axis=1).astype(np.float32)
    return replace(predictions, probabilities=probabilities)
