"""Figures of reports: what they draw is what was measured."""

import numpy as np
import plotly.graph_objects as go
import pytest
from ham import CODES
from sklearn.metrics import average_precision_score, roc_auc_score

from skin.evaluation.chosen import choose
from skin.evaluation.predictions import Predictions
from skin.evaluation.reliability import untempered
from skin.evaluation.report import evaluate
from skin.plots import report as plots
from skin.plots.style import colours
from skin.task import HAM10000


def simulated(n: int = 400, classes: int = 7) -> Predictions:
    rng = np.random.default_rng(0)
    truth = rng.integers(classes, size=n)
    probabilities = rng.dirichlet(np.ones(7), n) + rng.random((n, 1)) * np.eye(7)[truth]
    ids = tuple(str(i) for i in range(n))
    return Predictions(ids, ids, truth, (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32))


PREDICTIONS = simulated()
REPORT = evaluate(PREDICTIONS, choose(PREDICTIONS))


def trace(figure: go.Figure, name: str) -> go.Scatter:
    """The only trace whose name begins so."""
    (found,) = [trace for trace in figure.data if trace.name and trace.name.startswith(name)]
    return found


def test_class_scores_draw_the_report_in_the_diagnosis_colours() -> None:
    figure = plots.class_scores(REPORT)
    assert figure.data[0].marker.color == tuple(colours(HAM10000)[code] for code in CODES)
    assert figure.data[0].y == tuple(REPORT.per_class[code].f1 for code in CODES)
    assert trace(figure, "recall").y == tuple(REPORT.per_class[code].recall for code in CODES)
    mel = REPORT.per_class["mel"]
    assert figure.data[0].error_y.array[4] == pytest.approx(mel.f1_high - mel.f1)


def test_roc_curves_have_the_area_of_scikit_learn() -> None:
    figure = plots.roc_curves(PREDICTIONS, REPORT.operating_point)
    for k, code in enumerate(CODES):
        curve = trace(figure, f"{code} ")
        area = roc_auc_score(PREDICTIONS.truth == k, PREDICTIONS.probabilities[:, k])
        assert curve.name == f"{code} {area:.2f}"
        assert np.trapezoid(curve.y, curve.x) == pytest.approx(area, abs=0.01)
        assert curve.line.color == colours(HAM10000)[code]


def test_the_malignant_threshold_lies_on_the_malignant_curve() -> None:
    figure = plots.roc_curves(PREDICTIONS, REPORT.operating_point)
    curve, point = trace(figure, "malignant 0"), trace(figure, "threshold")
    assert np.interp(point.x[0], curve.x, curve.y) == pytest.approx(point.y[0], abs=0.03)


def test_the_decision_curve_draws_the_report() -> None:
    figure = plots.decision_curve(REPORT.decision_curve)
    rows = REPORT.decision_curve
    assert trace(figure, "the model").x == tuple(row.threshold for row in rows)
    assert trace(figure, "the model").y == tuple(row.benefit.value for row in rows)
    assert trace(figure, "act on every lesion").y == tuple(row.all_malignant for row in rows)
    assert set(trace(figure, "act on none").y) == {0.0}
    high, low = figure.data[:2]
    assert all(below <= row.benefit.value <= above for below, row, above in zip(low.y, rows, high.y, strict=True))


def test_the_calibration_before_lies_beside_the_one_after() -> None:
    before = untempered(PREDICTIONS, 2.0)
    figure = plots.calibration_curve(PREDICTIONS, before)
    alone = plots.calibration_curve(before)
    assert trace(figure, "before").y == alone.data[0].y
    assert trace(figure, "calibrated").y == plots.calibration_curve(PREDICTIONS).data[0].y
    assert "before" not in [drawn.name for drawn in alone.data]


def test_precision_recall_curves_name_the_average_precision() -> None:
    figure = plots.precision_recall_curves(PREDICTIONS)
    mel = CODES.index("mel")
    average = average_precision_score(PREDICTIONS.truth == mel, PREDICTIONS.probabilities[:, mel])
    assert trace(figure, "mel").name == f"mel {average:.2f}"


def test_a_diagnosis_without_images_has_no_curve_and_breaks_no_figure() -> None:
    few = simulated(classes=2)
    names = [trace.name.split()[0] for trace in plots.roc_curves(few).data]
    assert names == ["akiec", "bcc", "malignant"]
    assert plots.class_scores(evaluate(few)).data[1].y[CODES.index("vasc")] is not None
    assert trace(plots.class_scores(evaluate(few)), "recall").y[CODES.index("vasc")] is None
    assert plots.distribution_by_f1(evaluate(few)).data[0].y[CODES.index("vasc")] == 0


def test_long_curves_are_thinned_but_keep_their_ends() -> None:
    curve = trace(plots.precision_recall_curves(simulated(5000)), "nv")
    assert len(curve.x) <= plots.MAX_POINTS
    assert (curve.x[0], curve.x[-1]) == (1, 0)


def test_calibration_curve_counts_every_image_once() -> None:
    line, bars = plots.calibration_curve(PREDICTIONS).data
    assert sum(bars.y) == len(PREDICTIONS.truth)
    accuracy = np.average(line.y, weights=bars.y)
    assert accuracy == pytest.approx(REPORT.headline["accuracy"].value)


def test_distribution_is_shaded_by_f1() -> None:
    bars = plots.distribution_by_f1(REPORT).data[0]
    assert bars.y == tuple(REPORT.per_class[code].support for code in CODES)
    assert bars.marker.color == tuple(REPORT.per_class[code].f1 for code in CODES)
