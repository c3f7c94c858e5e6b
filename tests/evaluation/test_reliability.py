"""Calibration before and after, of all and of each diagnosis."""

from itertools import pairwise

import numpy as np
import pytest
from ham import CODES
from scipy.special import softmax
from simulated import labels, simulated

from skin.evaluation.calibration import fit_temperature, tempered
from skin.evaluation.metrics import METRICS
from skin.evaluation.predictions import Predictions
from skin.evaluation.prevalence import ClassShares
from skin.evaluation.reliability import SCORES, calibration, calibration_report, untempered


def overconfident(n: int = 4000) -> tuple[Predictions, np.ndarray]:
    """Answers of one view whose logits are twice what they should be, and their truth."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(n, 7)) * 1.5
    truth = np.array([rng.choice(7, p=row) for row in softmax(logits, axis=1)])
    ids = tuple(str(i) for i in range(n))
    return Predictions(ids, ids, truth, softmax(2 * logits, axis=1).astype(np.float32)), truth


def test_the_temperature_is_taken_out_exactly_of_one_view() -> None:
    raw, truth = overconfident()
    temperature = fit_temperature(raw.probabilities[None], truth)
    calibrated = Predictions(raw.image_ids, raw.lesion_ids, truth, tempered(raw.probabilities[None], temperature))
    np.testing.assert_allclose(untempered(calibrated, temperature).probabilities, raw.probabilities, atol=1e-5)


def test_calibration_is_told_before_and_after() -> None:
    raw, truth = overconfident()
    calibrated = Predictions(raw.image_ids, raw.lesion_ids, truth, tempered(raw.probabilities[None], 2.0))
    report = calibration_report(calibrated, 2.0)
    assert report is not None
    assert report.before is not None
    assert report.temperature == 2.0
    for name in SCORES:
        assert report.after.scores[name].high < report.before.scores[name].low
    for code in CODES:
        assert report.after.per_class[code].error < report.before.per_class[code].error
        assert report.after.per_class[code].mean_probability == pytest.approx(
            report.after.per_class[code].share, abs=0.02
        )


def test_the_error_of_a_diagnosis_is_as_its_definition_reads() -> None:
    predictions = simulated(800)
    for k, code in enumerate(CODES):
        column, is_it, error = predictions.probabilities[:, k], predictions.truth == k, 0.0
        for low, high in pairwise(np.linspace(0, 1, 16)):
            inside = (column > low) & (column <= high) if low else column <= high
            if inside.any():
                error += inside.mean() * abs(is_it[inside].mean() - column[inside].mean())
        assert calibration(predictions).per_class[code].error == pytest.approx(error, abs=1e-5)


def test_the_scores_after_are_the_headline_of_the_report() -> None:
    predictions = simulated()
    scores = calibration(predictions).scores
    ones = np.ones((1, len(predictions.truth)))
    for name in SCORES:
        (value,) = METRICS[name].function(predictions.task, predictions.truth, predictions.probabilities, ones)
        assert scores[name].value == value


def test_without_a_temperature_nothing_is_said_of_before() -> None:
    report = calibration_report(simulated())
    assert report is not None
    assert report.before is None


def test_bare_diagnoses_are_not_calibrated() -> None:
    assert calibration_report(labels([0, 1], [0, 1]), 2.0) is None


def test_probabilities_for_the_training_prevalence_have_its_shares_as_their_mean() -> None:
    """A model that learned with adjusted logits calls the rare more probable than they are."""
    rng = np.random.default_rng(0)
    prior = np.array([0.03, 0.05, 0.11, 0.02, 0.11, 0.66, 0.02])
    truth = rng.choice(7, size=6000, p=prior)
    likelihoods = np.exp(1.5 * (rng.normal(size=(6000, 7)) + 1.5 * np.eye(7)[truth]))
    posterior = likelihoods * prior**0.5
    ids = tuple(str(i) for i in range(6000))
    probabilities = (posterior / posterior.sum(axis=1, keepdims=True)).astype(np.float32)
    predictions = Predictions(ids, ids, truth, probabilities)
    validation, test = predictions.only(np.arange(6000) < 3000), predictions.only(np.arange(6000) >= 3000)
    report = calibration_report(test, shares=ClassShares.of(validation))
    assert report is not None
    assert report.reweighed is not None
    for name in SCORES:
        assert report.reweighed.scores[name].value < report.after.scores[name].value
    nv = report.reweighed.per_class["nv"]
    assert nv.mean_probability == pytest.approx(nv.share, abs=0.02)
    assert abs(report.after.per_class["nv"].mean_probability - nv.share) > 0.03
