"""Figures of groups at the run's own threshold, and the gaps between them."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytest
from ham import CODES
from simulated import simulated

from skin.evaluation.group_figures import GROUP_FIGURES, GroupReport, judge_groups
from skin.evaluation.operating_point import choose_thresholds, operating_point
from skin.evaluation.predictions import Predictions
from skin.evaluation.subgroups import MIN_LESIONS
from skin.records import checked, from_plain, to_plain

PREDICTIONS = simulated(800)
THRESHOLDS = choose_thresholds(PREDICTIONS)


def by_lesion(of: Mapping[bool, str], predictions: Predictions = PREDICTIONS) -> dict[str, str]:
    """A group for every other lesion."""
    return {image: of[place % 4 < 2] for place, image in enumerate(predictions.image_ids)}


def test_a_group_of_all_has_the_figures_of_the_report() -> None:
    report = judge_groups(PREDICTIONS, THRESHOLDS, dict.fromkeys(PREDICTIONS.image_ids, "all"))
    figures = {name: estimate.value for name, estimate in report.groups["all"].figures.items()}
    point = operating_point(THRESHOLDS, PREDICTIONS)
    assert list(figures) == list(GROUP_FIGURES)
    assert (figures["sensitivity"], figures["specificity"]) == pytest.approx((point.sensitivity, point.specificity))
    right = PREDICTIONS.predicted == PREDICTIONS.truth
    assert figures["accuracy"] == pytest.approx(right.mean())
    assert figures["overconfidence"] == pytest.approx(
        PREDICTIONS.probabilities.max(axis=1).mean() - right.mean(), abs=1e-6
    )
    assert report.gaps == ()


def test_a_group_that_is_answered_worse_shows_as_a_gap_beyond_chance() -> None:
    """Of one group every malignant image is called a nevus for sure; the other one is as it was."""
    group_of = by_lesion({True: "young", False: "old"})
    malignant = np.isin(PREDICTIONS.truth, PREDICTIONS.task.malignant)
    missed = malignant & np.array([group_of[image] == "young" for image in PREDICTIONS.image_ids])
    nevus = np.eye(7, dtype=np.float32)[CODES.index("nv")]
    worse = dataclasses.replace(PREDICTIONS, probabilities=np.where(missed[:, None], nevus, PREDICTIONS.probabilities))
    report = judge_groups(worse, THRESHOLDS, group_of)
    gap = next(gap for gap in report.gaps if gap.figure == "sensitivity")
    assert (gap.higher, gap.lower) == ("old", "young")
    assert gap.difference.low > 0.5
    assert report.groups["young"].figures["malignant_excess"].high < 0
    (told,) = (sentence for sentence in report.sentences() if "against 0.0% (0.0 to 0.0) in 'young'" in sentence)
    assert told.endswith("An interval of no width is too narrow: other lesions would differ where these do not.")
    alike = judge_groups(PREDICTIONS, THRESHOLDS, group_of)
    assert not any(sentence.startswith("Sensitivity") for sentence in alike.sentences())


def test_groups_that_are_too_small_are_said_to_be() -> None:
    few = 2 * (MIN_LESIONS - 1)
    group_of = {image: "few" if place < few else "many" for place, image in enumerate(PREDICTIONS.image_ids)}
    report = judge_groups(PREDICTIONS, THRESHOLDS, group_of)
    assert all(np.isnan(estimate.value) for estimate in report.groups["few"].figures.values())
    assert (report.groups["few"].n, report.groups["few"].n_lesions) == (few, MIN_LESIONS - 1)
    assert report.gaps == ()
    assert report.sentences() == [f"Fewer than 20 lesions in few ({few} images): nothing can be said of them."]


def test_a_group_without_malignant_lesions_has_no_sensitivity() -> None:
    benign = ~np.isin(PREDICTIONS.truth, PREDICTIONS.task.malignant)
    group_of = {image: "safe" if fine else "rest" for image, fine in zip(PREDICTIONS.image_ids, benign, strict=True)}
    report = judge_groups(PREDICTIONS, THRESHOLDS, group_of)
    assert np.isnan(report.groups["safe"].figures["sensitivity"].value)
    assert np.isfinite(report.groups["safe"].figures["specificity"].value)
    assert any("what is missed there is not known" in sentence for sentence in report.sentences())


def test_the_unknown_come_last_and_make_no_gap() -> None:
    report = judge_groups(PREDICTIONS, THRESHOLDS, by_lesion({True: "unknown", False: "women"}))
    assert list(report.groups) == ["women", "unknown"]
    assert report.gaps == ()


def test_a_report_is_read_as_it_was_written_and_a_strange_one_is_refused() -> None:
    report = judge_groups(PREDICTIONS, THRESHOLDS, by_lesion({True: "a", False: "b"}))
    plain = to_plain(report)
    assert checked(from_plain(GroupReport, plain)) == report
    plain["gaps"][0]["higher"] = "nobody"
    with pytest.raises(ValueError, match="'nobody' is not known"):
        from_plain(GroupReport, plain)
