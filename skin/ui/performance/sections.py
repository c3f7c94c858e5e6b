"""The sections of a report, as HTML."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from skin.config import field_infos
from skin.evaluation.evidence import few_behind, few_lesions, is_chosen, warnings
from skin.evaluation.metrics import METRICS, Estimate, metrics_of
from skin.evaluation.operating_point import CalledLow, OperatingPoint, ThresholdReport
from skin.evaluation.origin import FACTS
from skin.evaluation.report import ClassReport, Report
from skin.evaluation.subgroups import MIN_LESIONS, Subgroup, subgroup_metrics
from skin.evaluation.summary import NOT_COMPUTED, best, challenging, scope
from skin.plots.style import colours
from skin.ui.components.notices import gap_note
from skin.ui.components.tables import rows_table


def headline_tiles(report: Report, gap: str = "") -> str:
    """The headline metrics with their intervals, and what they were measured on; `gap` says what adds missing ones."""
    few = few_behind(report)
    tiles = "".join(
        _tile(name, report.headline.get(name), _FEW_MARK * (name in few)) for name in metrics_of(report.task)
    )
    return f'<dl class="tiles">{tiles}</dl>{_scope(report)}{gap_note(gap)}{_too_few(report)}{_sentence_list(report)}'


def _scope(report: Report) -> str:
    """In which ways the labels of the images are not those of the model, "" where they are."""
    return "".join(f'<p class="gap" role="note">{escape(sentence)}</p>' for sentence in scope(report))


def _too_few(report: Report) -> str:
    """What rests on too few lesions, "" where nothing does."""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in warnings(report))
    return f'<div class="too-few" role="note"><strong>Too few lesions</strong><ul>{items}</ul></div>' if items else ""


_FEW_MARK = ' <em class="few">too few lesions</em>'
"""Marks a figure; how many they are stands among the sentences."""


def _tile(name: str, estimate: Estimate | None, mark: str) -> str:
    metric = METRICS[name]
    return (
        f'<div title="{escape(metric.help)}"><dt>{escape(metric.label)}</dt>'
        f"<dd>{_with_interval_below(estimate) if estimate else f'– <small>{NOT_COMPUTED}</small>'}{mark}</dd></div>"
    )


def _with_interval_below(estimate: Estimate) -> str:
    interval = f"{_number(estimate.low)} – {_number(estimate.high)}" if np.isfinite(estimate.low) else "undefined here"
    return f"{_number(estimate.value)} <small>{interval}</small>"


def _sentence_list(report: Report) -> str:
    sentences = [
        f"{report.n:,} images of {report.n_lesions:,} lesions; beside each figure its 95% interval, found by drawing "
        "lesions anew a thousand times.",
        best(report),
        challenging(report),
        *(_operating_sentences(report.operating_point) if report.operating_point else ()),
    ]
    return '<ul class="words">' + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>"


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


def class_table(report: Report) -> str:
    """Precision, recall, F1, AUC and number of images of each diagnosis, and their means weighted by images."""
    measures: Mapping[str, Callable[[ClassReport], str]] = {
        "Precision": lambda row: _number(row.precision),
        "Recall": lambda row: _with_interval(row.recall, row.recall_low, row.recall_high),
        "F1": lambda row: _with_interval(row.f1, row.f1_low, row.f1_high),
        "AUC": lambda row: _number(row.auc),
        "Images": lambda row: f"{row.support:,}",
    }
    head = "".join(f'<th scope="col">{name}</th>' for name in measures)
    rows, few, of_code = "", few_lesions(report), colours(report.task)
    for diagnosis in report.task.diagnoses:
        row = report.per_class[diagnosis.code]
        cells = "".join(f"<td>{measure(row)}</td>" for measure in measures.values())
        swatch = f'<span class="swatch" style="background: {of_code[diagnosis.code]}"></span>'
        rows += f'<tr><th scope="row">{swatch}{diagnosis.code} <span class="name">{escape(diagnosis.name)}</span>{_FEW_MARK * (diagnosis.code in few)}</th>{cells}</tr>'
    means = "".join(f"<td>{_number(_weighted(report, name))}</td>" for name in ("precision", "recall", "f1", "auc"))
    return (
        f'<div class="scroll classes" tabindex="0"><table><thead><tr><th scope="col">Diagnosis</th>{head}</tr></thead><tbody>{rows}</tbody>'
        f'<tfoot><tr><th scope="row">Weighted mean</th>{means}<td>{report.n:,}</td></tr></tfoot></table></div>'
    )


def threshold_table(columns: Mapping[str, ThresholdReport]) -> str:
    """What thresholds for malignant find and miss, a named column each."""
    measures: Mapping[str, Callable[[ThresholdReport], str]] = {
        "Sensitivity": lambda column: _estimate(column.sensitivity),
        "Specificity": lambda column: _estimate(column.specificity),
        "Positive predictive value": lambda column: _estimate(column.positive_predictive_value),
        "Malignant images missed": lambda column: f"{column.missed:,} of {column.malignant:,}",
        "Other images called malignant": lambda column: f"{column.false_alarms:,} of {column.others:,}",
    }
    head = "".join(
        f'<th scope="col">{escape(name)} <small>{column.threshold:.4f}</small></th>' for name, column in columns.items()
    )
    rows = ""
    for name, measure in measures.items():
        cells = "".join(f"<td>{measure(column)}</td>" for column in columns.values())
        rows += f'<tr><th scope="row">{name}</th>{cells}</tr>'
    return (
        '<div class="scroll thresholds" tabindex="0"><table><caption>With the 95% interval of each share, found by '
        f'drawing lesions anew</caption><thead><tr><th scope="col">Malignant from</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def group_tables(report: Report, gap: str = "") -> str:
    """A table for each grouping of the images: how many are in each group, and its metrics; `gap` as of the tiles."""
    names = subgroup_metrics(report.task)
    tables = "".join(_group_table(grouping, groups, names) for grouping, groups in report.subgroups.items())
    note = (
        f"Each group by itself, with the 95% interval from drawing its lesions anew; a dash where fewer than {MIN_LESIONS} "
        "lesions would decide. Groups hold other mixes of diagnoses, which alone makes some easier than others."
    )
    return f'<p>{note}</p>{gap_note(gap)}<div class="subgroups">{tables}</div>'


def _group_table(grouping: str, groups: Mapping[str, Subgroup], names: Sequence[str]) -> str:
    title = escape(grouping.replace("_", " ").capitalize())
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Images", *(METRICS[m].label for m in names)))
    rows = ""
    for name, group in groups.items():
        values = [_estimate(group.headline[name]) if name in group.headline else NOT_COMPUTED for name in names]
        cells = "".join(f"<td>{text}</td>" for text in (f"{group.n:,}", *values))
        rows += f'<tr><th scope="row">{escape(name.replace("_", " "))}</th>{cells}</tr>'
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">{title}</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _weighted(report: Report, name: str) -> float:
    """Mean of a measure over the images, each with the value of its diagnosis; what is never predicted counts as 0."""
    rows = [row for row in report.per_class.values() if row.support]
    values = np.array([getattr(row, name) for row in rows])
    if np.isnan(values).all():
        return np.nan
    return float(np.average(np.nan_to_num(values), weights=[row.support for row in rows]))


def _with_interval(value: float, low: float, high: float) -> str:
    return f"{_number(value)} <small>{_number(low)} – {_number(high)}</small>" if np.isfinite(low) else _number(value)


def _estimate(estimate: Estimate) -> str:
    return _with_interval(estimate.value, estimate.low, estimate.high)


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "–"


def _percent(share: float) -> str:
    return f"{share:.1%}" if np.isfinite(share) else "none"


def curve_tables(roc: go.Figure, precision_recall: go.Figure, calibration: go.Figure) -> str:
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
    return f"<details><summary>The curves as tables</summary>{curves}{calibrated}</details>"


def origin_table(facts: Mapping[str, object]) -> str:
    """Where the figures come from, a row each of FACTS."""
    return rows_table(
        ["Fact", "Value"], [[label, _in_words(facts[name])] for name, label in FACTS.items()], "", "rows pairs"
    )


def _in_words(fact: object) -> str:
    return "unknown" if fact is None else f"{fact:.4f}" if isinstance(fact, float) else str(fact)


def settings_table(settings: Mapping[str, object]) -> str:
    """Every setting of a run as the form names it, in columns where there is room; "" where none is known."""
    labels = {info.name: info.label for info in field_infos()}
    rows = [[labels[name], value] for name, value in settings.items()]
    return rows_table(["Setting", "Value"], rows, "", "rows pairs") if rows else ""
