"""Thresholds, and what they achieve on other images."""

import dataclasses

import numpy as np
import pytest
from ham import CODES, MALIGNANT
from simulated import labels, simulated
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from skin.evaluation.chosen import Chosen, choose
from skin.evaluation.operating_point import (
    NET_BENEFIT_AT,
    TARGETS,
    Thresholds,
    choose_targets,
    choose_thresholds,
    decision_curve,
    judge_targets,
    judge_thresholds,
)
from skin.evaluation.predictions import Predictions
from skin.evaluation.report import evaluate, evaluate_parts
from skin.task import HAM10000


def test_thresholds_keep_what_they_promise_on_other_images() -> None:
    chosen = choose(simulated(2000, seed=1))
    thresholds = chosen.thresholds
    test = simulated(2000, seed=2)
    sets = thresholds.prediction_sets(HAM10000, test.probabilities)
    for k in range(7):
        assert sets[test.truth == k, k].mean() == pytest.approx(0.9, abs=0.07)
    point = evaluate(test, chosen).operating_point
    assert point is not None
    assert point.coverage == pytest.approx(0.9, abs=0.03)
    assert point.sensitivity == pytest.approx(0.95, abs=0.03)
    assert 0 < point.specificity < 1
    assert 1 < point.set_size < 7


def test_images_called_low_are_counted_by_what_they_are() -> None:
    """Two lesions of two images: one is called low, of one only one image is."""
    codes = [CODES.index(code) for code in ("mel", "mel", "mel", "mel", "nv", "nv", "akiec")]
    surely = 0.96 * np.eye(7) + 0.04 / 7
    seen = [CODES.index(code) for code in ("nv", "nv", "nv", "mel", "nv", "bkl", "akiec")]
    lesions = ("a", "a", "b", "b", "c", "d", "e")
    ids = tuple(str(i) for i in range(7))
    test = Predictions(ids, lesions, np.array(codes), surely[seen].astype(np.float32))
    point = evaluate(test, Chosen(Thresholds(0.5, dict.fromkeys(CODES, 0.5)))).operating_point
    assert point is not None
    melanomas = point.called_low["malignant"]
    assert (melanomas.images, melanomas.low_risk, melanomas.share.value) == (4, 3, 0.75)
    assert (melanomas.share.low, melanomas.share.high) == (0.5, 1.0)
    assert (point.called_low["pre-cancerous"].low_risk, point.called_low["benign"].low_risk) == (0, 2)


def test_too_few_images_of_a_class_never_rule_it_out() -> None:
    thresholds = choose_thresholds(labels([5] * 20, [5] * 20))
    assert thresholds.diagnoses["mel"] == 0
    assert thresholds.diagnoses["nv"] == 1
    assert thresholds.malignant == 0


def test_prediction_set_is_never_empty() -> None:
    thresholds = choose_thresholds(labels(list(range(7)) * 10, list(range(7)) * 10))
    sets = thresholds.prediction_sets(HAM10000, np.array([[0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]]))
    assert sets.tolist() == [[True] + [False] * 6]


@pytest.mark.parametrize("seed", range(3))
def test_thresholds_are_judged_as_scikit_learn_does(seed: int) -> None:
    predictions = simulated(seed=seed, skill=0.3)
    malignant = np.isin(predictions.truth, MALIGNANT)
    scores = predictions.probabilities[:, MALIGNANT].sum(axis=1, dtype=np.float64)
    thresholds = [0.0, 0.2, float(np.median(scores)), 0.7]
    for threshold, row in zip(thresholds, judge_thresholds(predictions, thresholds), strict=True):
        called = scores >= threshold
        (left_alone, false_alarms), (missed, found) = confusion_matrix(malignant, called)
        assert row.threshold == threshold
        assert (row.missed, row.malignant) == (missed, missed + found)
        assert (row.false_alarms, row.others) == (false_alarms, false_alarms + left_alone)
        for share, expected in (
            (row.sensitivity, recall_score(malignant, called)),
            (row.specificity, recall_score(malignant, called, pos_label=0)),
            (row.positive_predictive_value, precision_score(malignant, called)),
            (row.negative_predictive_value, precision_score(malignant, called, pos_label=0, zero_division=np.nan)),
        ):
            assert share.value == pytest.approx(expected, nan_ok=True)
            assert np.isnan(expected) or share.low <= share.value <= share.high
    assert 0 <= row.sensitivity.low < row.sensitivity.high < 1


def test_the_intervals_of_a_threshold_draw_whole_lesions() -> None:
    paired = simulated()
    alone = dataclasses.replace(paired, lesion_ids=paired.image_ids)
    twice = np.repeat(np.arange(0, 400, 2), 2)  # the two images of each lesion get the same probabilities
    ((by_lesion,), (by_image,)) = (
        judge_thresholds(dataclasses.replace(p, probabilities=p.probabilities[twice]), [0.3]) for p in (paired, alone)
    )
    assert by_lesion.specificity.value == by_image.specificity.value
    widths = [row.specificity.high - row.specificity.low for row in (by_lesion, by_image)]
    assert widths[0] > 1.2 * widths[1]


def test_a_threshold_that_nothing_reaches_has_no_predictive_value() -> None:
    (row,) = judge_thresholds(simulated(), [1.1])
    assert (row.missed, row.false_alarms) == (row.malignant, 0)
    assert np.isnan(row.positive_predictive_value.value)


def test_the_own_threshold_is_judged_as_the_operating_point() -> None:
    reports = evaluate_parts({"validation": simulated(), "test": simulated(seed=1)})
    point = reports["test"].operating_point
    assert point is not None
    (row,) = judge_thresholds(simulated(seed=1), [point.thresholds.malignant])
    assert row.sensitivity.value == pytest.approx(point.sensitivity)
    assert row.specificity.value == pytest.approx(point.specificity)


def test_a_threshold_for_each_target_keeps_it_on_other_images() -> None:
    targets = choose_targets(simulated(4000, seed=1))
    assert list(targets) == list(TARGETS)
    assert targets[0.95] == choose_thresholds(simulated(4000, seed=1)).malignant
    rows = judge_targets(targets, simulated(4000, seed=2))
    assert [row.target for row in rows] == list(TARGETS)
    for row in rows:
        assert row.sensitivity.value == pytest.approx(row.target, abs=0.03)
    specificities = [row.specificity.value for row in rows]
    assert specificities == sorted(specificities, reverse=True)


def test_a_target_that_too_few_images_can_tell_calls_everything_malignant() -> None:
    few = simulated(30)
    assert choose_targets(few)[0.98] == 0
    (*_, last) = judge_targets(choose_targets(few), few)
    assert last.sensitivity.value == 1


def test_net_benefit_weighs_false_alarms_by_the_odds_of_the_threshold() -> None:
    test = simulated(1000, skill=0.5)
    malignant = np.isin(test.truth, MALIGNANT)
    scores = test.probabilities[:, MALIGNANT].sum(axis=1, dtype=np.float64)
    curve = decision_curve(test)
    assert [row.threshold for row in curve] == list(NET_BENEFIT_AT)
    for row in curve:
        called, odds = scores >= row.threshold, row.threshold / (1 - row.threshold)
        assert row.benefit.value == pytest.approx(np.mean(called & malignant) - odds * np.mean(called & ~malignant))
        assert row.benefit.low < row.benefit.value < row.benefit.high
        assert row.all_malignant == pytest.approx(malignant.mean() - odds * (1 - malignant.mean()))
    assert curve[-1].benefit.value > max(curve[-1].all_malignant, 0)


def test_coverage_is_told_of_each_diagnosis() -> None:
    chosen, test = choose(simulated(2000, seed=1)), simulated(2000, seed=2)
    point = evaluate(test, chosen).operating_point
    assert point is not None
    sets = chosen.thresholds.prediction_sets(HAM10000, test.probabilities)
    for k, code in enumerate(CODES):
        estimate = point.coverage_by_class[code]
        assert estimate.value == pytest.approx(sets[test.truth == k, k].mean())
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.value == pytest.approx(0.9, abs=0.07)
