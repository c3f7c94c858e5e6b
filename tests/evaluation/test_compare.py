"""Comparing two models in pairs."""

import dataclasses
import json
import re

import numpy as np
import pytest
from ham import CODES
from scipy.stats import binomtest

from skin.errors import UserError
from skin.evaluation.compare import chance, compare, holm, mcnemar
from skin.evaluation.metrics import METRICS
from skin.evaluation.predictions import Predictions
from skin.evaluation.report import evaluate
from skin.evaluation.subgroups import MIN_LESIONS
from skin.workspace import PROJECT


def simulated(skill: float, seed: int, n: int = 600) -> Predictions:
    """A model that is right on about a share `skill` of the same images."""
    truth = np.random.default_rng(0).integers(7, size=n)
    rng = np.random.default_rng(seed)
    predicted = np.where(rng.random(n) < skill, truth, (truth + 1) % 7)
    probabilities = (0.4 * np.eye(7)[predicted] + 0.6 / 7).astype(np.float32)
    return Predictions(
        tuple(f"image{i}" for i in range(n)), tuple(f"lesion{i // 2}" for i in range(n)), truth, probabilities
    )


(DOCUMENTED_KEYS,) = re.findall(
    r"^\| `compare` \|(.*?); the page's", (PROJECT / "docs/json.md").read_text(), re.MULTILINE
)
NESTED = {"value", "low", "high", "recall", "f1", "p"}
A, B = simulated(0.6, seed=1), simulated(0.8, seed=2)


def test_differences_are_b_minus_a() -> None:
    comparison = compare(A, B, ("a", "b"))
    reports = evaluate(A), evaluate(B)
    assert list(comparison.difference) == list(METRICS)
    for name, estimate in comparison.difference.items():
        assert estimate.value == pytest.approx(reports[1].headline[name].value - reports[0].headline[name].value)
        assert estimate.low < estimate.value < estimate.high
    for code, row in comparison.per_class.items():
        for name, estimate in row.difference.items():
            values = [getattr(report.per_class[code], name) for report in reports]
            assert estimate.value == pytest.approx(values[1] - values[0])


def test_a_better_model_is_called_better_in_either_order() -> None:
    assert compare(A, B, ("weak", "strong")).verdict.startswith(
        "strong is better than weak on 600 images of 300 lesions"
    )
    assert compare(B, A, ("strong", "weak")).verdict.startswith(
        "strong is better than weak on 600 images of 300 lesions"
    )


def test_the_verdict_gives_the_number_and_its_interval() -> None:
    comparison = compare(B, A, ("strong", "weak"))
    difference = comparison.difference["balanced_accuracy"]
    assert f"balanced accuracy {-100 * difference.value:.1f} points higher" in comparison.verdict
    assert f"(95% interval {-100 * difference.high:.1f} to {-100 * difference.low:.1f})" in comparison.verdict


def test_alike_models_cannot_be_told_apart() -> None:
    verdict = compare(A, simulated(0.6, seed=3), ("one", "other")).verdict
    assert verdict.startswith("one and other cannot be told apart by balanced accuracy on 600 images of 300 lesions")


def test_a_model_does_not_differ_from_itself() -> None:
    comparison = compare(A, A, ("a", "b"))
    assert {estimate.value for estimate in comparison.difference.values()} == {0.0}
    assert {estimate.high for estimate in comparison.difference.values()} == {0.0}
    assert comparison.mcnemar_p == 1
    assert comparison.only_a == comparison.only_b == ()
    assert comparison.identical
    assert comparison.verdict.startswith("a and b give the same probabilities on 600 images of 300 lesions")
    assert not compare(A, B, ("a", "b")).identical


def test_pairing_narrows_the_interval() -> None:
    """Models that mostly err together differ by less noise than models that err apart."""
    probabilities = A.probabilities.copy()
    probabilities[:40] = B.probabilities[:40]
    together = compare(A, dataclasses.replace(A, probabilities=probabilities), ("a", "b")).difference["accuracy"]
    apart = compare(A, simulated(0.6, seed=3), ("a", "b")).difference["accuracy"]
    assert together.high - together.low < 0.6 * (apart.high - apart.low)


def test_images_that_one_model_alone_gets_right() -> None:
    comparison = compare(A, B, ("a", "b"))
    right_a, right_b = A.predicted == A.truth, B.predicted == B.truth
    assert comparison.only_a == tuple(f"image{i}" for i in np.flatnonzero(right_a & ~right_b))
    assert comparison.only_b == tuple(f"image{i}" for i in np.flatnonzero(~right_a & right_b))
    assert comparison.mcnemar_p == mcnemar(len(comparison.only_a), len(comparison.only_b)) < 0.001


def test_mcnemar_is_the_exact_binomial_test() -> None:
    assert mcnemar(3, 11) == pytest.approx(binomtest(11, 14).pvalue)
    assert mcnemar(3, 11) == pytest.approx(0.0574, abs=1e-4)
    assert mcnemar(0, 0) == 1


def test_the_order_of_the_images_does_not_matter() -> None:
    order = np.random.default_rng(0).permutation(len(B.truth))
    shuffled = Predictions(
        tuple(B.image_ids[i] for i in order),
        tuple(B.lesion_ids[i] for i in order),
        B.truth[order],
        B.probabilities[order],
    )
    assert compare(A, shuffled, ("a", "b")) == compare(A, B, ("a", "b"))


def test_other_images_are_refused() -> None:
    others = dataclasses.replace(B, image_ids=("new", *B.image_ids[1:]))
    with pytest.raises(UserError, match=r"test sets differ \(600 and 600 images, 599 in both"):
        compare(A, others, ("a", "b"))
    fewer = Predictions(B.image_ids[:9], B.lesion_ids[:9], B.truth[:9], B.probabilities[:9])
    with pytest.raises(UserError, match="test sets differ"):
        compare(A, fewer, ("a", "b"))


def test_other_diagnoses_are_refused() -> None:
    with pytest.raises(UserError, match="true diagnosis of 1 test images differs"):
        compare(A, dataclasses.replace(B, truth=np.array([(B.truth[0] + 1) % 7, *B.truth[1:]])), ("a", "b"))


def test_as_json_it_has_the_documented_keys() -> None:
    comparison = compare(A, B, ("first", "second")).to_dict()
    assert json.loads(json.dumps(comparison, allow_nan=False)) == comparison
    assert (comparison["a"], comparison["b"]) == ("first", "second")
    assert set(comparison) == set(re.findall(r"`(\w+)`", DOCUMENTED_KEYS)) - NESTED
    assert set(comparison["difference"]["accuracy"]) == {"value", "low", "high"}
    assert set(comparison["per_class"]) == set(CODES)
    assert set(comparison["per_class"]["mel"]) == {"n", "n_lesions", "difference", "p"}
    assert set(comparison["per_class"]["mel"]["difference"]["recall"]) == {"value", "low", "high"}


def test_what_only_some_models_have_stays_undefined() -> None:
    bare = dataclasses.replace(B, probabilities=np.eye(7, dtype=np.float32)[B.predicted])
    difference = compare(A, bare, ("a", "b")).to_dict()["difference"]
    assert difference["ece"] == {"value": None, "low": None, "high": None}
    assert difference["accuracy"]["value"] > 0


# Each diagnosis


def better_on(code: str, n_lesions: int = 60) -> tuple[Predictions, Predictions]:
    """Two models that are right nine times in ten, but that the first never recognises `code`."""
    truth = np.repeat(np.arange(7), n_lesions)
    seen = np.where(np.random.default_rng(4).random(len(truth)) < 0.9, truth, (truth + 1) % 7)
    missed = np.where(truth == CODES.index(code), 0, seen)
    ids = tuple(f"image{i}" for i in range(len(truth)))
    first, second = (Predictions(ids, ids, truth, np.eye(7, dtype=np.float32)[said]) for said in (missed, seen))
    return first, second


def test_the_diagnosis_that_differs_is_named_and_no_other() -> None:
    comparison = compare(*better_on("mel"), ("blind", "seeing"))
    beyond = {code for code, row in comparison.per_class.items() if row.beyond_chance("recall")}
    assert beyond == {"mel"}
    assert "Holm's correction for 14 comparisons), seeing minus blind: " in comparison.class_verdict
    assert "Melanoma, Recall +" in comparison.class_verdict
    assert "Vascular" not in comparison.class_verdict


def test_alike_models_differ_on_no_diagnosis() -> None:
    verdict = compare(A, simulated(0.6, seed=3), ("one", "other")).class_verdict
    assert verdict.startswith("On no single diagnosis do one and other differ beyond chance")


def test_of_few_lesions_nothing_is_claimed() -> None:
    comparison = compare(*better_on("mel", n_lesions=MIN_LESIONS - 1), ("blind", "seeing"))
    assert all(np.isnan([*row.p.values()]).all() for row in comparison.per_class.values())
    assert comparison.class_verdict.startswith("No diagnosis has the 20 lesions")
    assert comparison.to_dict()["per_class"]["mel"]["p"] == {"recall": None, "f1": None}


def test_holms_correction_is_the_published_one() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([]) == []


def test_the_p_value_counts_the_resamples_beyond_zero() -> None:
    resamples = np.concatenate([[0.1], np.linspace(-0.1, 0.9, 999)])
    assert chance(resamples) == pytest.approx(2 * (1 + np.sum(resamples[1:] <= 0)) / 1000)
    assert chance(np.zeros(1000)) == 1
    assert chance(np.full(1000, 0.2)) == pytest.approx(0.002)
    assert chance(np.array([0.2, np.nan, 0.2])) == 1
