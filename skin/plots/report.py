"""Figures of one report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from skin.evaluation import metrics
from skin.evaluation.metrics import Estimate, Floats
from skin.evaluation.operating_point import NetBenefit, OperatingPoint
from skin.evaluation.predictions import Predictions
from skin.evaluation.report import Report
from skin.plots.style import colours, styled
from skin.theme import ACCENT, BAND, F1_SCALE, GREY, WHITE

MAX_POINTS = 200
"""Points of a curve that are drawn."""


def class_scores(report: Report) -> go.Figure:
    """F1 of each diagnosis as a bar with its interval, precision and recall as marks on it."""
    codes = list(report.task.codes)
    rows = [report.per_class[code] for code in codes]
    figure = go.Figure(
        go.Bar(
            x=codes,
            y=defined([row.f1 for row in rows]),
            name="F1",
            marker_color=list(colours(report.task).values()),
            opacity=0.75,
            error_y=whiskers([Estimate(row.f1, row.f1_low, row.f1_high) for row in rows]),
            customdata=_names(report),
            hovertemplate="%{customdata}: F1 %{y:.2f}<extra></extra>",
        )
    )
    for name, symbol in (("precision", "triangle-up"), ("recall", "circle")):
        values = defined([getattr(row, name) for row in rows])
        marker = {"symbol": symbol, "size": 10, "color": WHITE, "line": {"color": GREY, "width": 2}}
        figure.add_scatter(x=codes, y=values, name=name, mode="markers", marker=marker)
    figure.update_layout(title_text="F1 with its 95% interval")
    figure.update_yaxes(range=[0, 1.02])
    return styled(figure, 380)


def _names(report: Report) -> list[str]:
    """The names of the diagnoses, which plotly would take for markup."""
    return [escape(diagnosis.name) for diagnosis in report.task.diagnoses]


def roc_curves(predictions: Predictions, point: OperatingPoint | None = None) -> go.Figure:
    """Sensitivity against false alarms: each diagnosis against the rest, malignant against the rest, and its threshold."""
    from sklearn.metrics import roc_curve  # takes a second, and the page is up before

    figure = go.Figure()
    for curve in _curves(predictions):
        false_alarms, sensitivity, _ = roc_curve(curve.positive, curve.scores)
        area = metrics.auc(curve.positive, curve.scores, np.ones((1, len(curve.scores))))[0]
        _draw(figure, curve, false_alarms, sensitivity, area)
    if point is not None:
        figure.add_scatter(
            x=[1 - point.specificity],
            y=[point.sensitivity],
            mode="markers",
            name="threshold",
            marker={"symbol": "x", "size": 11, "color": GREY},
        )
    figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line={"color": GREY, "width": 1, "dash": "dot"})
    figure.update_layout(title_text="ROC curves and areas under them")
    return _unit_square(figure, "1 - specificity", "sensitivity")


def precision_recall_curves(predictions: Predictions) -> go.Figure:
    """Precision against recall of each diagnosis and of malignant lesions, with the average precision."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    figure = go.Figure()
    for curve in _curves(predictions):
        precision, recall, _ = precision_recall_curve(curve.positive, curve.scores)
        average = average_precision_score(curve.positive, curve.scores)
        _draw(figure, curve, recall, precision, average)
    figure.update_layout(title_text="Precision, recall and their averages")
    return _unit_square(figure, "recall", "precision")


def calibration_curve(predictions: Predictions, before: Predictions | None = None) -> go.Figure:
    """Accuracy against confidence in 15 bins, and how many images lie in each; on the diagonal is calibrated.

    `before` are the same images before the calibration.
    """
    after = _reliability(predictions)
    figure = make_subplots(rows=2, shared_xaxes=True, row_heights=[0.75, 0.25], vertical_spacing=0.04)
    figure.add_scatter(**after, name="calibrated", line={"color": ACCENT, "width": 2})
    if before is not None:
        figure.add_scatter(**_reliability(before), name="before", line={"color": GREY, "width": 1.5, "dash": "dash"})
    figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line={"color": GREY, "width": 1, "dash": "dot"})
    bars = {"x": after["x"], "y": after["customdata"], "width": 0.04, "marker_color": GREY, "showlegend": False}
    figure.add_bar(**bars, hovertemplate="%{y:,} images<extra></extra>", row=2, col=1)
    title = "Calibration" if before is None else "Calibration, before in grey"
    figure.update_layout(title_text=title, showlegend=False)
    figure.update_xaxes(range=[0, 1.02], tickformat=".0%")
    figure.update_xaxes(title="confidence", row=2)
    figure.update_yaxes(title="accuracy", range=[0, 1.02], tickformat=".0%", row=1)
    figure.update_yaxes(title="images", row=2)
    return styled(figure, 420)


def _reliability(predictions: Predictions) -> dict[str, Any]:
    """A line of the accuracy over the mean confidence of each bin that is not empty, with the number of its images."""
    confidence = predictions.probabilities.max(axis=1)
    right = predictions.predicted == predictions.truth
    bins = metrics.confidence_bins(predictions.probabilities)
    members = [bins == k for k in np.unique(bins)]
    return {
        "x": [float(confidence[rows].mean()) for rows in members],
        "y": [float(right[rows].mean()) for rows in members],
        "mode": "lines+markers",
        "customdata": [int(rows.sum()) for rows in members],
        "hovertemplate": "%{customdata:,} images: confidence %{x:.0%}, accuracy %{y:.0%}<extra></extra>",
    }


def decision_curve(rows: Sequence[NetBenefit]) -> go.Figure:
    """Net benefit over the threshold: of the model with its interval, of acting on every lesion, and of acting on none."""
    thresholds = [row.threshold for row in rows]
    band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure = go.Figure()
    figure.add_scatter(x=thresholds, y=defined([row.benefit.high for row in rows]), **band)
    low = defined([row.benefit.low for row in rows])
    figure.add_scatter(x=thresholds, y=low, **band, fill="tonexty", fillcolor=BAND)
    hover = "act from %{x:.1%} on: net benefit %{y:.3f}<extra></extra>"
    lines = {
        "the model": ([row.benefit.value for row in rows], {"color": ACCENT, "width": 2}),
        "act on every lesion": ([row.all_malignant for row in rows], {"color": GREY, "width": 2, "dash": "dash"}),
        "act on none": ([0.0] * len(rows), {"color": GREY, "width": 2, "dash": "dot"}),
    }
    for name, (benefits, line) in lines.items():
        figure.add_scatter(x=thresholds, y=benefits, name=name, mode="lines", line=line, hovertemplate=hover)
    figure.update_layout(title_text="Decision curve")
    figure.update_xaxes(title="malignant probability to act from", tickformat=".0%", rangemode="tozero")
    top = float(np.nanmax([row.benefit.high for row in rows]))
    figure.update_yaxes(title="net benefit", range=[-0.25 * top, 1.1 * top])
    return legend_below(styled(figure, 420), room=110)


def distribution_by_f1(report: Report) -> go.Figure:
    """Images of each diagnosis, the bar shaded by its F1."""
    codes = list(report.task.codes)
    rows = [report.per_class[code] for code in codes]
    figure = go.Figure(
        go.Bar(
            x=codes,
            y=[row.support for row in rows],
            text=[f"{row.support:,}" for row in rows],
            textposition="outside",
            constraintext="none",
            cliponaxis=False,
            customdata=_names(report),
            hovertemplate="%{customdata}: %{y:,} images, F1 %{marker.color:.2f}<extra></extra>",
            marker={
                "color": np.nan_to_num([row.f1 for row in rows]).tolist(),
                "colorscale": F1_SCALE,
                "cmin": 0,
                "cmax": 1,
                "colorbar": {"title": "F1", "thickness": 12},
            },
        )
    )
    figure.update_layout(title_text="Images, shaded by F1")
    figure.update_yaxes(tickformat=",~f", title="images")
    return styled(figure, 380)


@dataclass(frozen=True)
class _Curve:
    """The data of one ROC or precision-recall curve."""

    name: str
    positive: NDArray[np.bool_]
    scores: Floats
    line: dict[str, Any]


def _curves(predictions: Predictions) -> Iterator[_Curve]:
    """Each diagnosis against the rest and malignant against the rest, where the images hold both."""
    truth, probabilities = predictions.truth, predictions.probabilities
    task = predictions.task
    for k, (code, colour) in enumerate(colours(task).items()):
        if 0 < (truth == k).sum() < len(truth):
            yield _Curve(code, truth == k, probabilities[:, k], {"color": colour, "width": 2})
    malignant = metrics.is_malignant(task, truth)
    if task.tells_malignant and 0 < malignant.sum() < len(truth):
        scores = metrics.malignant_scores(task, probabilities)
        yield _Curve("malignant", malignant, scores, {"color": GREY, "width": 3, "dash": "dash"})


def _draw(figure: go.Figure, curve: _Curve, x: Floats, y: Floats, summary: float) -> None:
    """Add the curve, thinned to MAX_POINTS, with its summary in the legend."""
    kept = np.unique(np.linspace(0, len(x) - 1, MAX_POINTS).round().astype(int))
    name = f"{curve.name} {summary:.2f}"
    figure.add_scatter(x=x[kept].tolist(), y=y[kept].tolist(), name=name, mode="lines", line=curve.line)


def _unit_square(figure: go.Figure, x: str, y: str) -> go.Figure:
    figure.update_xaxes(title=x, range=[0, 1.01])
    figure.update_yaxes(title=y, range=[0, 1.01])
    legend_below(styled(figure, 480), room=130)
    return figure.update_layout(legend_entrywidth=90, legend_font_size=12)


def legend_below(figure: go.Figure, room: int) -> go.Figure:
    """`figure` itself with its legend at the bottom, where `room` pixels for it and the axis keep it off the curves."""
    legend = {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"}
    return figure.update_layout(legend=legend, margin_b=room)


def whiskers(estimates: list[Estimate]) -> dict[str, Any]:
    """The intervals as error bars."""
    return {
        "type": "data",
        "symmetric": False,
        "array": defined([estimate.high - estimate.value for estimate in estimates]),
        "arrayminus": defined([estimate.value - estimate.low for estimate in estimates]),
        "color": GREY,
        "thickness": 1.5,
    }


def defined(values: list[float]) -> list[float | None]:
    """The values with None, which a figure leaves out, for what is undefined."""
    return [None if np.isnan(value) else value for value in values]
