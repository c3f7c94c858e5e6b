"""Evaluating predictions, and keeping what came out."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from skin.errors import UserError
from skin.lesion import CODES, MALIGNANT
from skin.metrics import METRICS
from skin.report import (
    SUBGROUP_METRICS,
    Predictions,
    Thresholds,
    choose_thresholds,
    evaluate,
    evaluate_parts,
    judge_thresholds,
    load_predictions,
    load_report,
    save_predictions,
    save_report,
)
from skin.summary import best, challenging


def simulated(n: int = 400, seed: int = 0, skill: float = 1.0) -> Predictions:
    """Predictions of a model of some skill on `n` images, two of each lesion."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.concatenate([np.arange(7), rng.integers(7, size=n // 2 - 7)]), 2)
    probabilities = rng.dirichlet(np.ones(7), n) + skill * rng.random((n, 1)) * np.eye(7)[truth]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return Predictions(
        image_ids=tuple(f"image{i}" for i in range(n)),
        lesion_ids=tuple(f"lesion{i // 2}" for i in range(n)),
        truth=truth,
        probabilities=probabilities.astype(np.float32),
    )


def labels(truth: list[int], predicted: list[int]) -> Predictions:
    """Bare diagnoses of as many lesions of one image."""
    ids = tuple(str(i) for i in range(len(truth)))
    return Predictions(ids, ids, np.array(truth), np.eye(7, dtype=np.float32)[predicted])


def test_report_counts_and_names() -> None:
    report = evaluate(simulated())
    assert (report.n, report.n_lesions) == (400, 200)
    assert list(report.headline) == list(METRICS)
    assert list(report.per_class) == list(CODES)
    assert np.sum(report.confusion) == 400
    for estimate in report.headline.values():
        assert estimate.low < estimate.value < estimate.high


def test_report_tells_each_diagnosis() -> None:
    report = evaluate(labels([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 5]))
    assert report.confusion[0][:2] == (2, 1)
    akiec, bcc, df = (report.per_class[code] for code in ("akiec", "bcc", "df"))
    assert (akiec.precision, akiec.recall, akiec.f1, akiec.support) == (1, pytest.approx(2 / 3), pytest.approx(0.8), 3)
    assert akiec.recall_low < akiec.recall < akiec.recall_high
    assert bcc.f1 == pytest.approx(2 / 3)
    assert df.support == 0
    assert np.isnan(df.recall)


def test_best_and_challenging_in_words() -> None:
    report = evaluate(labels([0, 0, 0, 0, 4, 4, 4, 4, 3], [0, 0, 0, 0, 5, 5, 1, 4, 3]))
    assert (
        best(report)
        == "Actinic keratosis / intraepithelial carcinoma is recognised best: F1 1.00, 100% of its 4 images found."
    )
    assert (
        challenging(report) == "Melanoma is the most challenging: F1 0.40, 25% of its 4 images found, "
        "most often taken for Melanocytic nevus (2)."
    )


def test_bare_diagnoses_have_no_ranking() -> None:
    report = evaluate(labels([0, 1, 4, 5, 5], [0, 4, 4, 5, 5]))
    assert report.headline["accuracy"].value == pytest.approx(0.8)
    for name, metric in METRICS.items():
        assert np.isnan(report.headline[name].value) == metric.needs_probabilities
    assert np.isnan(report.per_class["mel"].auc)


def test_thresholds_keep_what_they_promise_on_other_images() -> None:
    thresholds = choose_thresholds(simulated(2000, seed=1))
    test = simulated(2000, seed=2)
    sets = thresholds.prediction_sets(test.probabilities)
    for k in range(7):
        assert sets[test.truth == k, k].mean() == pytest.approx(0.9, abs=0.07)
    point = evaluate(test, thresholds).operating_point
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
    point = evaluate(test, Thresholds(0.5, dict.fromkeys(CODES, 0.5))).operating_point
    assert point is not None
    melanomas = point.called_low["malignant"]
    assert (melanomas.images, melanomas.low_risk, melanomas.share.value) == (4, 3, 0.75)
    assert (melanomas.share.low, melanomas.share.high) == (0.5, 1.0)
    assert (point.called_low["pre-cancerous"].low_risk, point.called_low["benign"].low_risk) == (0, 2)


def test_a_report_without_the_count_is_read(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    save_report(path, evaluate_parts({"validation": simulated(seed=3), "test": simulated(seed=4)}))
    content = json.loads(path.read_text())
    for part in content.values():
        del part["operating_point"]["called_low"]
    path.write_text(json.dumps(content))
    point = load_report(path)["test"].operating_point
    assert point is not None
    assert point.called_low == {}


def test_too_few_images_of_a_class_never_rule_it_out() -> None:
    thresholds = choose_thresholds(labels([5] * 20, [5] * 20))
    assert thresholds.diagnoses["mel"] == 0
    assert thresholds.diagnoses["nv"] == 1
    assert thresholds.malignant == 0


def test_prediction_set_is_never_empty() -> None:
    thresholds = choose_thresholds(labels(list(range(7)) * 10, list(range(7)) * 10))
    sets = thresholds.prediction_sets(np.array([[0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]]))
    assert sets.tolist() == [[True] + [False] * 6]


def test_parts_share_the_thresholds_of_validation() -> None:
    parts = {"validation": simulated(seed=3), "test": simulated(seed=4)}
    reports = evaluate_parts(parts)
    points = [report.operating_point for report in reports.values()]
    assert [point and point.thresholds for point in points] == [choose_thresholds(parts["validation"])] * 2
    assert evaluate_parts({"test": parts["test"]})["test"].operating_point is None


def test_report_as_json_has_the_documented_keys(tmp_path: Path) -> None:
    save_report(tmp_path / "report.json", evaluate_parts({"validation": simulated(), "test": labels([0], [0])}))
    content = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert {"n", "per_class", "confusion", *METRICS} <= set(content["test"])
    assert set(content["test"]["accuracy"]) == {"value", "low", "high"}
    assert content["test"]["melanoma_sensitivity"] == {"value": None, "low": None, "high": None}
    assert set(content["test"]["per_class"]) == set(CODES)


def test_report_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    reports = evaluate_parts({"validation": simulated(seed=5), "test": simulated(seed=6)})
    save_report(tmp_path / "report.json", reports)
    assert load_report(tmp_path / "report.json") == reports


def test_undefined_values_are_loaded_as_undefined(tmp_path: Path) -> None:
    save_report(tmp_path / "report.json", {"test": evaluate(labels([0], [0]))})
    report = load_report(tmp_path / "report.json")["test"]
    assert np.isnan(report.headline["melanoma_sensitivity"].low)
    assert np.isnan(report.per_class["mel"].recall)


def test_a_group_is_judged_as_if_it_were_alone() -> None:
    predictions = simulated()
    is_young = np.arange(400) % 4 < 2
    groups = {"age": {f"image{i}": "young" if young else "old" for i, young in enumerate(is_young)}}
    subgroups = evaluate(predictions, groups=groups).subgroups["age"]
    assert list(subgroups) == ["old", "young"]
    alone = evaluate(predictions.only(is_young))
    assert (subgroups["young"].n, subgroups["young"].n_lesions) == (alone.n, alone.n_lesions) == (200, 100)
    assert set(subgroups["young"].headline) == set(SUBGROUP_METRICS)
    for name in ("accuracy", "malignant_auc"):
        assert subgroups["young"].headline[name] == alone.headline[name]


def test_too_few_lesions_decide_nothing() -> None:
    """All 19 benign lesions right is no certainty, and neither are 21 without one that is malignant."""
    few, some = (
        evaluate(labels([5] * n, [5] * n), groups={"sex": {str(i): "unknown" for i in range(n)}}) for n in (19, 21)
    )
    assert np.isnan(few.subgroups["sex"]["unknown"].headline["accuracy"].value)
    assert some.subgroups["sex"]["unknown"].headline["accuracy"].value == 1
    assert np.isnan(some.subgroups["sex"]["unknown"].headline["malignant_auc"].value)


def test_groups_are_loaded_as_they_were_saved_and_older_reports_have_none(tmp_path: Path) -> None:
    groups = {"site": {f"image{i}": ("back", "unknown", "face")[i % 3] for i in range(400)}}
    report = evaluate(simulated(), groups=groups)
    save_report(tmp_path / "report.json", {"test": report})
    assert load_report(tmp_path / "report.json")["test"].subgroups == report.subgroups
    assert list(report.subgroups["site"]) == ["back", "face", "unknown"]

    content = json.loads((tmp_path / "report.json").read_text())
    del content["test"]["subgroups"]
    (tmp_path / "report.json").write_text(json.dumps(content))
    assert load_report(tmp_path / "report.json")["test"].subgroups == {}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"test": {}}', '{"test": 1}', "\xff"])
def test_a_damaged_report_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "report.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match="holds no report"):
        load_report(tmp_path / "report.json")


def test_predictions_are_loaded_as_they_were_saved(tmp_path: Path) -> None:
    saved = {"validation": simulated(20), "test": simulated(30, seed=1)}
    save_predictions(tmp_path / "predictions.npz", saved)
    loaded = load_predictions(tmp_path / "predictions.npz")
    assert list(loaded) == ["validation", "test"]
    assert loaded["test"].image_ids == saved["test"].image_ids
    assert loaded["test"].lesion_ids == saved["test"].lesion_ids
    assert (loaded["test"].truth == saved["test"].truth).all()
    assert (loaded["test"].probabilities == saved["test"].probabilities).all()


def test_damaged_or_missing_predictions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "predictions.npz"
    with pytest.raises(UserError, match="holds no predictions"):
        load_predictions(path)
    save_predictions(path, {"test": simulated(20)})
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match="holds no predictions"):
        load_predictions(path)
    np.savez(path, **{"test.truth": np.array([{}], dtype=object)})
    with pytest.raises(UserError, match="holds no predictions"):
        load_predictions(path)


GOOD = labels([0, 1], [0, 1])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"image_ids": ("a", "a")}, "occurs twice"),
        ({"image_ids": ("a",)}, "one lesion and one true diagnosis"),
        ({"lesion_ids": ("a",)}, "one lesion and one true diagnosis"),
        ({"truth": np.array([0, 7])}, "none of akiec"),
        ({"probabilities": np.ones((2, 3), np.float32)}, "needs 7 probabilities"),
        ({"probabilities": np.ones((2, 7), np.float32)}, "sum to 1"),
        ({"probabilities": np.full((2, 7), np.nan, np.float32)}, "sum to 1"),
        ({"probabilities": 2 * np.eye(7, dtype=np.float32)[:2] - 1 / 7}, "at least 0"),
    ],
)
def test_impossible_predictions_are_refused(changes: dict[str, NDArray[np.float32]], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        dataclasses.replace(GOOD, **changes)


def test_no_image_at_all_is_refused() -> None:
    with pytest.raises(UserError, match="no image"):
        Predictions((), (), np.zeros(0, np.int64), np.zeros((0, 7), np.float32))


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
        ):
            assert share.value == pytest.approx(expected)
            assert share.low <= share.value <= share.high
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
