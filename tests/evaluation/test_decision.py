"""Decision rules: fitted on the validation part alone, and judged as scikit-learn judges what they decide."""

import dataclasses

import numpy as np
import pytest
import sklearn.metrics as sk
from ham import CODES, MALIGNANT
from simulated import labels, simulated

from skin.errors import UsageError
from skin.evaluation.chosen import DecisionChoice, choose
from skin.evaluation.decision import (
    DECISION_METRICS,
    DECISIONS,
    MOST_PROBABLE,
    POWERS,
    AtSensitivity,
    Balanced,
    check_target,
    decided_labels,
    fit_decision,
    judge_decisions,
    rules_of,
)
from skin.evaluation.metrics import METRICS
from skin.evaluation.operating_point import choose_thresholds
from skin.evaluation.predictions import Predictions
from skin.evaluation.prevalence import implied_shares
from skin.evaluation.report import evaluate, evaluate_parts
from skin.task import HAM10000, Diagnosis, Task

MEL = CODES.index("mel")
UNTOLD = Task("colours", "Colours", (Diagnosis("red", "Red"), Diagnosis("blue", "Blue")), ())


def rare_and_common(n: int = 3000, seed: int = 0) -> Predictions:
    """Probabilities that are exactly those of the truth, of a task in which most images are nevi."""
    rng = np.random.default_rng(seed)
    shares = np.array([0.03, 0.05, 0.11, 0.02, 0.11, 0.66, 0.02])
    truth = np.concatenate([np.arange(7), rng.choice(7, size=n - 7, p=shares)])
    likelihoods = np.exp(rng.normal(size=(n, 7)) + 2 * np.eye(7)[truth])
    posterior = likelihoods**2 * shares
    ids = tuple(f"image{i}" for i in range(n))
    return Predictions(ids, ids, truth, (posterior / posterior.sum(axis=1, keepdims=True)).astype(np.float32))


@pytest.mark.parametrize("name", DECISIONS)
def test_every_rule_decides_on_a_diagnosis_and_tells_its_numbers(name: str) -> None:
    decision, test = fit_decision(name, simulated(seed=1)), simulated(seed=2)
    decided = decision.decide(HAM10000, test.probabilities)
    assert decided.shape == (400,)
    assert np.isin(decided, range(7)).all()
    assert decision.words
    assert all(np.isfinite(value) for value in decision.parameters.values())
    sure = np.eye(7, dtype=np.float32)
    assert decision.decide(HAM10000, sure).tolist() == list(range(7))


@pytest.mark.parametrize("name", DECISIONS)
def test_a_rule_judges_each_image_by_itself(name: str) -> None:
    decision, test = fit_decision(name, simulated(seed=1)), simulated(seed=2)
    decided = decision.decide(HAM10000, test.probabilities)
    alone = [decision.decide(HAM10000, row[None])[0] for row in test.probabilities[:50]]
    assert decided[:50].tolist() == alone


def test_balanced_takes_the_power_of_the_best_balanced_accuracy_on_validation() -> None:
    validation = rare_and_common()
    rule = fit_decision("balanced", validation)
    shares = implied_shares(validation)
    scores = [
        sk.balanced_accuracy_score(validation.truth, (validation.probabilities / shares**power).argmax(axis=1))
        for power in POWERS
    ]
    assert isinstance(rule, Balanced)
    assert rule.power == POWERS[int(np.argmax(scores))]
    assert max(scores) > scores[0] + 0.05


def test_balanced_finds_the_rare_on_other_images_and_pays_with_accuracy() -> None:
    judged = judge_decisions(choose(rare_and_common()).decisions, rare_and_common(seed=1))
    usual, balanced = judged[MOST_PROBABLE].figures, judged["balanced"].figures
    assert balanced["balanced_accuracy"].low > usual["balanced_accuracy"].value
    assert balanced["accuracy"].value < usual["accuracy"].value


def test_a_diagnosis_without_a_validation_image_divides_by_no_zero() -> None:
    validation = rare_and_common()
    without = validation.only(validation.truth != MEL)
    rule = fit_decision("balanced", without)
    assert isinstance(rule, Balanced)
    assert min(rule.shares) > 0
    assert np.isfinite(rule.decide(HAM10000, validation.probabilities)).all()


@pytest.mark.parametrize("target", [0.8, 0.9, 0.95, 0.99])
def test_sensitivity_keeps_its_target_and_calls_the_most_probable_of_a_kind(target: float) -> None:
    validation, test = simulated(4000, seed=1), simulated(4000, seed=2)
    rule = fit_decision("sensitivity", validation, target)
    assert isinstance(rule, AtSensitivity)
    decided = rule.decide(HAM10000, test.probabilities)
    called, malignant = np.isin(decided, MALIGNANT), np.isin(test.truth, MALIGNANT)
    assert called[malignant].mean() == pytest.approx(target, abs=0.03)
    scores = test.probabilities[:, MALIGNANT].sum(axis=1, dtype=np.float64)
    assert (called == (scores >= rule.threshold)).all()
    kinds = np.isin(np.arange(7), MALIGNANT)
    for row, choice in zip(test.probabilities, decided, strict=True):
        assert row[choice] == row[kinds == kinds[choice]].max()


def test_the_usual_target_is_the_operating_point() -> None:
    validation = simulated(seed=3)
    rule = fit_decision("sensitivity", validation)
    assert rule.parameters == {"target": 0.95, "threshold": choose_thresholds(validation).malignant}


@pytest.mark.parametrize("name", DECISIONS)
def test_what_a_rule_achieves_is_what_scikit_learn_says(name: str) -> None:
    validation, test = rare_and_common(800), rare_and_common(800, seed=1)
    decision = fit_decision(name, validation)
    judged = judge_decisions({name: decision}, test)[name]
    decided = decision.decide(HAM10000, test.probabilities)
    malignant, called = np.isin(test.truth, MALIGNANT), np.isin(decided, MALIGNANT)
    expected = {
        "accuracy": sk.accuracy_score(test.truth, decided),
        "balanced_accuracy": sk.balanced_accuracy_score(test.truth, decided),
        "melanoma_sensitivity": sk.recall_score(test.truth == MEL, decided == MEL),
        "melanoma_specificity": sk.recall_score(test.truth == MEL, decided == MEL, pos_label=0),
        "malignant_sensitivity": sk.recall_score(malignant, called),
        "malignant_specificity": sk.recall_score(malignant, called, pos_label=0),
    }
    assert expected.keys() == DECISION_METRICS.keys()
    assert {figure: estimate.value for figure, estimate in judged.figures.items()} == pytest.approx(expected)
    assert all(estimate.low <= estimate.value <= estimate.high for estimate in judged.figures.values())


def test_the_intervals_of_a_rule_draw_whole_lesions() -> None:
    test = rare_and_common(800)
    doubled = dataclasses.replace(test, lesion_ids=tuple(f"lesion{i // 8}" for i in range(800)))
    narrow, wide = (
        judge_decisions(choose(test).decisions, each)[MOST_PROBABLE].figures["accuracy"] for each in (test, doubled)
    )
    assert narrow.value == wide.value
    assert narrow != wide


def test_a_report_under_a_rule_has_its_decisions_and_the_calibrated_probabilities() -> None:
    validation, test = rare_and_common(800), rare_and_common(800, seed=1)
    usual = evaluate(test, choose(validation))
    report = evaluate(test, choose(validation, DecisionChoice("balanced")))
    decided = fit_decision("balanced", validation).decide(HAM10000, test.probabilities)
    assert report.decision == "balanced"
    assert np.array_equal(report.confusion, sk.confusion_matrix(test.truth, decided, labels=range(7)))
    assert report.headline["accuracy"] == usual.decisions["balanced"].figures["accuracy"]
    assert report.per_class["mel"].recall == pytest.approx(np.mean(decided[test.truth == MEL] == MEL))
    for name, metric in METRICS.items():
        assert (report.headline[name] == usual.headline[name]) == metric.needs_probabilities, name
    assert report.per_class["mel"].auc == usual.per_class["mel"].auc
    assert report.calibration == usual.calibration


def test_groups_are_judged_under_the_rule_too() -> None:
    validation, test = rare_and_common(800), rare_and_common(800, seed=1)
    everyone = {"sex": dict.fromkeys(test.image_ids, "female")}
    report = evaluate(test, choose(validation, DecisionChoice("balanced")), everyone)
    group = report.subgroups["sex"]["female"].headline
    assert group["accuracy"] == report.headline["accuracy"]
    assert group["malignant_auc"] == report.headline["malignant_auc"]


def test_the_most_probable_diagnosis_is_what_reports_always_told() -> None:
    test = rare_and_common(800)
    report = evaluate(test, choose(test))
    bare = evaluate(test)
    assert (report.headline, report.confusion, report.per_class) == (bare.headline, bare.confusion, bare.per_class)
    assert report.decisions[MOST_PROBABLE].figures["accuracy"] == report.headline["accuracy"]


def test_permuting_the_truth_of_the_test_part_changes_nothing_that_was_chosen() -> None:
    validation, test = simulated(seed=1), simulated(seed=2)
    permuted = dataclasses.replace(test, truth=np.random.default_rng(0).permutation(test.truth))
    before, after = (
        evaluate_parts({"validation": validation, "test": each}, temperature=1.2)["test"] for each in (test, permuted)
    )
    assert before.headline != after.headline
    assert before.operating_point is not None
    assert after.operating_point is not None
    assert before.operating_point.thresholds == after.operating_point.thresholds
    assert [row.threshold for row in before.operating_points] == [row.threshold for row in after.operating_points]
    assert {name: judged.parameters for name, judged in before.decisions.items()} == {
        name: judged.parameters for name, judged in after.decisions.items()
    }


def test_bare_diagnoses_have_no_decisions() -> None:
    report = evaluate_parts({"validation": simulated(), "test": labels([0, 1, 4], [0, 4, 4])})["test"]
    assert (report.decisions, report.operating_points, report.decision_curve) == ({}, (), ())
    assert report.calibration is None


def test_a_task_that_tells_no_malignancy_has_fewer_rules() -> None:
    assert list(rules_of(UNTOLD)) == [MOST_PROBABLE, "balanced"]
    truth = np.array([0, 0, 1, 1])
    ids = tuple("abcd")
    probabilities = np.array([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.55, 0.45]], np.float32)
    predictions = Predictions(ids, ids, truth, probabilities, UNTOLD)
    report = evaluate(predictions, choose(predictions))
    assert list(report.decisions) == [MOST_PROBABLE, "balanced"]
    assert list(report.decisions["balanced"].figures) == ["accuracy", "balanced_accuracy"]
    assert report.operating_points == ()
    with pytest.raises(
        UsageError, match="no decision rule 'sensitivity' for this model: use one of most-probable, balanced"
    ):
        fit_decision("sensitivity", predictions)


@pytest.mark.parametrize("name", ["", "magic", None, 3, ["balanced"]])
def test_a_rule_that_is_not_there_is_a_sentence(name: object) -> None:
    with pytest.raises(
        UsageError, match=r"There is no decision rule .* use one of most-probable, balanced, sensitivity\."
    ):
        fit_decision(name, simulated())


@pytest.mark.parametrize("target", [0, 1, -0.5, 95, float("nan"), "0.9", None, True])
def test_a_target_that_is_no_share_is_a_sentence(target: object) -> None:
    with pytest.raises(UsageError, match="The target sensitivity must be a number between 0 and 1"):
        check_target(target)


def test_decided_labels_are_bare_diagnoses_of_the_same_images() -> None:
    test = simulated()
    decided = decided_labels(fit_decision("balanced", test), test)
    assert decided.are_labels
    assert decided.image_ids == test.image_ids
    assert np.array_equal(decided.truth, test.truth)
