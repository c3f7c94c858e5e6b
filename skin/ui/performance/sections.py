"""The sections of a report, as HTML."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from skin.config import field_infos
from skin.evaluation.decision import DECISIONS, decision_metrics_of
from skin.evaluation.evidence import few_behind, few_lesions, is_chosen, warnings
from skin.evaluation.metrics import METRICS, metrics_of
from skin.evaluation.operating_point import CalledLow, OperatingPoint, ThresholdReport
from skin.evaluation.origin import FACTS
from skin.evaluation.prevalence import Prevalence
from skin.evaluation.reliability import SCORES
from skin.evaluation.report import Report
from skin.evaluation.subgroups import MIN_LESIONS, subgroup_metrics
from skin.evaluation.summary import NOT_COMPUTED, SETS_PROMISE, best, challenging, scope
from skin.plots.style import colours
from skin.ui.components.tables import folded, rows_table
from skin.ui.components.templates import render


def headline_tiles(report: Report, gap: str = "") -> Markup:
    """The headline metrics with their intervals, and what they were measured on; `gap` says how to add missing ones."""
    few = few_behind(report)
    tiles = [
        {"metric": metric, "estimate": report.headline.get(name), "few": name in few}
        for name, metric in metrics_of(report.task).items()
    ]
    return render(
        "performance/headline.html",
        tiles=tiles,
        gaps=[*scope(report), *([gap] if gap else [])],
        warnings=warnings(report),
        sentences=_sentences(report),
        not_computed=NOT_COMPUTED,
    )


def _sentences(report: Report) -> Sequence[str]:
    return [
        f"{report.n:,} images of {report.n_lesions:,} lesions; beside each figure its 95% interval, found by drawing "
        "lesions anew a thousand times.",
        best(report),
        challenging(report),
        *(_operating_sentences(report.operating_point) if report.operating_point else ()),
    ]


def _operating_sentences(point: OperatingPoint) -> Sequence[str]:
    called = (
        f"Called malignant from a probability of {point.thresholds.malignant:.2f} on, which was chosen on the "
        f"validation part to find 95%: {_percent(point.sensitivity)} of the malignant images are found, "
        f"{_percent(point.specificity)} of the others are left alone."
    )
    return (
        *([called] if is_chosen(point.thresholds) else []),
        *(_low_sentence(kind, low) for kind, low in point.called_low.items() if low.images),
        f"Prediction sets made to hold the truth for 90% of each diagnosis hold it for {_percent(point.coverage)} "
        f"here, with {point.set_size:.1f} diagnoses on average.",
    )


def _low_sentence(kind: str, low: CalledLow) -> str:
    return (
        f"Risk comes out low for {low.low_risk:,} of {low.images:,} {kind} images: {_percent(low.share.value)} "
        f"({_percent(low.share.low)} to {_percent(low.share.high)})."
    )


def class_table(report: Report) -> Markup:
    """Precision, recall, F1, AUC and number of images of each diagnosis, and their means weighted by images."""
    means = [_weighted(report, name) for name in ("precision", "recall", "f1", "auc")]
    of_code = colours(report.task)
    return render("performance/class_table.html", report=report, colours=of_code, few=few_lesions(report), means=means)


def threshold_table(columns: Mapping[str, ThresholdReport], prevalence: Prevalence | None = None) -> Markup:
    """Findings and misses of thresholds for malignant, a named column each; the prevalence that their shares are for."""
    return render("performance/threshold_table.html", columns=columns, prevalence=prevalence)


def target_table(rows: Sequence[ThresholdReport], prevalence: Prevalence | None = None) -> Markup:
    """As `threshold_table`, of the thresholds that were set on the validation part to reach target sensitivities."""
    columns = {f"Set to find {row.target:.0%}": row for row in rows if row.target is not None}
    return threshold_table(columns, prevalence)


def decision_table(report: Report) -> Markup:
    """The figures of each decision rule, a column each; "" in a report without them."""
    if not report.decisions:
        return Markup("")
    return render(
        "performance/decision_table.html",
        decisions={name: judged for name, judged in report.decisions.items() if name in DECISIONS},
        rules=DECISIONS,
        metrics=decision_metrics_of(report.task),
        not_computed=NOT_COMPUTED,
    )


def calibration_tables(report: Report) -> Markup:
    """The calibration before and after, of each diagnosis, too, beside the coverage of the prediction sets."""
    told = report.calibration
    if not told:
        return Markup("")
    parts = {
        "Before calibration": told.before,
        "As they are": told.after,
        "For the training prevalence": told.reweighed,
    }
    return render(
        "performance/calibration.html",
        columns={name: calibration.scores for name, calibration in parts.items() if calibration},
        report=told,
        metrics={name: METRICS[name] for name in SCORES},
        coverage=report.operating_point.coverage_by_class if report.operating_point else {},
        task=report.task,
        colours=colours(report.task),
        promise=SETS_PROMISE,
    )


def group_tables(report: Report, gap: str = "") -> Markup:
    """A table for each grouping of the images: how many are in each group, and its metrics; `gap` as of the tiles."""
    return render(
        "performance/group_tables.html",
        subgroups=report.subgroups,
        metrics={name: METRICS[name].label for name in subgroup_metrics(report.task)},
        min_lesions=MIN_LESIONS,
        not_computed=NOT_COMPUTED,
        gap=gap,
    )


def _weighted(report: Report, name: str) -> float:
    """Mean of a measure over the images, each with the value of its diagnosis; what is never predicted counts as 0."""
    rows = [row for row in report.per_class.values() if row.support]
    values = np.array([getattr(row, name) for row in rows])
    if np.isnan(values).all():
        return np.nan
    return float(np.average(np.nan_to_num(values), weights=[row.support for row in rows]))


def _percent(share: float) -> str:
    return f"{share:.1%}" if np.isfinite(share) else "none"


def curve_tables(roc: go.Figure, precision_recall: go.Figure, calibration: go.Figure) -> Markup:
    """The figures of `plots.report` that need probabilities, as tables, folded away.

    Areas under the curves and average precisions are read from the curves' names, the bins of the calibration from its
    points, so that table and figure cannot differ.
    """
    areas, averages = (
        dict(trace.name.rsplit(" ", 1) for trace in figure.data if trace.mode == "lines")
        for figure in (roc, precision_recall)
    )
    points = calibration.data[0]
    bins = zip(points.x, points.y, points.customdata, strict=True)
    curves = rows_table(
        ["Against the rest", "Area under the ROC curve", "Average precision"],
        [[name, area, averages[name]] for name, area in areas.items()],
    )
    calibrated = rows_table(
        ["Mean confidence", "Accuracy", "Images"],
        [[f"{confidence:.1%}", f"{accuracy:.1%}", f"{count:,}"] for confidence, accuracy, count in bins],
        "Calibration",
    )
    return folded("The curves as tables", curves + calibrated)


def origin_table(facts: Mapping[str, object]) -> Markup:
    """The origin of the figures, a row each of FACTS."""
    return rows_table(
        ["Fact", "Value"], [[label, _in_words(facts[name])] for name, label in FACTS.items()], "", "rows pairs"
    )


def _in_words(fact: object) -> str:
    return "unknown" if fact is None else f"{fact:.4f}" if isinstance(fact, float) else str(fact)


def settings_table(settings: Mapping[str, object]) -> Markup:
    """Every setting of a run as the form names it, in columns where there is room; "" where none is known."""
    labels = {info.name: info.label for info in field_infos()}
    rows = [[labels[name], value] for name, value in settings.items()]
    return rows_table(["Setting", "Value"], rows, "", "rows pairs") if rows else Markup("")
