"""Evaluating predictions, and keeping what came out."""

import json
from pathlib import Path

import numpy as np
import pytest
from ham import CODES
from simulated import labels, simulated

from skin.errors import UserError
from skin.evaluation.metrics import METRICS
from skin.evaluation.operating_point import choose_thresholds
from skin.evaluation.report import evaluate, evaluate_parts, load_report, save_report


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


def test_bare_diagnoses_have_no_ranking() -> None:
    report = evaluate(labels([0, 1, 4, 5, 5], [0, 4, 4, 5, 5]))
    assert report.headline["accuracy"].value == pytest.approx(0.8)
    for name, metric in METRICS.items():
        assert np.isnan(report.headline[name].value) == metric.needs_probabilities
    assert np.isnan(report.per_class["mel"].auc)


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


@pytest.mark.parametrize("content", ["", "[]", "{", '{"test": {}}', '{"test": 1}', "\xff"])
def test_a_damaged_report_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "report.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match="holds no report"):
        load_report(tmp_path / "report.json")
