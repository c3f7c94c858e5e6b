"""The tables of a model card, from what a run's files hold."""

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup

from skin.config import field_infos
from skin.data.datasheet import Datasheet, PartSheet
from skin.data.splits import PARTS
from skin.evaluation.metrics import METRICS, Estimate, metrics_of
from skin.evaluation.report import ClassReport, Report
from skin.evaluation.subgroups import Subgroup, subgroup_metrics
from skin.evaluation.summary import NOT_COMPUTED
from skin.publishing.markdown import table
from skin.task import Task

CONFIRMED_BY = {
    "histo": "histopathology",
    "follow_up": "follow-up",
    "consensus": "consensus of experts",
    "confocal": "in-vivo confocal microscopy",
}
"""The ways in which a diagnosis is confirmed, in words; another one is named as the data set names it."""

UNDEFINED = "–"


def interval(estimate: Estimate | None) -> str:
    """A value with its 95% interval, as a cell."""
    if estimate is None:
        return NOT_COMPUTED
    if np.isnan(estimate.value):
        return UNDEFINED
    if np.isnan(estimate.low):
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def number(value: float) -> str:
    """A figure with three digits."""
    return UNDEFINED if np.isnan(value) else f"{value:.3f}"


def share(count: int, of: int) -> str:
    """A count with its share."""
    return f"{count:,} ({count / of:.1%})" if of else f"{count:,}"


def diagnoses(task: Task) -> Markup:
    """The diagnoses with their names and what is known of their behaviour."""
    rows = [[own.code, own.name, own.malignancy or "not told"] for own in task.diagnoses]
    return table(["Code", "Diagnosis", "Behaviour"], rows)


def partitions(sheet: Datasheet) -> Markup:
    """The images and lesions of each part."""
    rows = [[part, sheet.parts[part].images, sheet.parts[part].lesions] for part in PARTS]
    return table(["Part", "Images", "Lesions"], rows)


def overlaps(sheet: Datasheet) -> Markup:
    """The lesions that two parts have in common, and the images of the second that show one."""
    rows = [[f"{own.first} and {own.second}", own.lesions, own.images] for own in sheet.overlaps]
    return table(["Parts", "Lesions in both", "Images of the second that show one"], rows)


def class_balance(task: Task, sheet: Datasheet) -> Markup:
    """The images and lesions of each diagnosis by part."""

    def cell(part: PartSheet, code: str) -> str:
        return f"{share(part.diagnoses[code], part.images)}, {part.lesions_of[code]:,}"

    rows = [[code, *(cell(sheet.parts[part], code) for part in PARTS)] for code in task.codes]
    return table(["Diagnosis", *(f"{part}: images, lesions" for part in PARTS)], rows)


def class_balance_of_report(reports: Mapping[str, Report]) -> Markup:
    """The images and lesions of each diagnosis of the parts that were evaluated, of a run without a datasheet."""
    codes = next(iter(reports.values())).task.codes
    known = [[report.per_class[code] for report in reports.values()] for code in codes]
    rows = [
        [code, *(f"{own.support:,}, {own.lesions:,}" for own in row)] for code, row in zip(codes, known, strict=True)
    ]
    return table(["Diagnosis", *(f"{part}: images, lesions" for part in reports)], rows)


def missing(task: Task, sheet: Datasheet) -> Markup:
    """The images of which a field of the patient is unknown."""
    parts = [sheet.parts[part] for part in PARTS]
    rows = [[field.label, *(share(part.unknown[field.name], part.images) for part in parts)] for field in task.fields]
    return table(["Field", *(f"{part}: images" for part in PARTS)], rows)


def participants(task: Task, sheet: Datasheet) -> dict[str, Markup]:
    """A table for each field of the patient that images are grouped by, and for their source, by its name."""
    labels = {field.name: field.label for field in task.fields} | {"source": "Source"}
    return {name: _groups(labels[name], name, sheet) for name in sheet.whole.groups if name in labels}


def _groups(label: str, name: str, sheet: Datasheet) -> Markup:
    parts = [sheet.parts[part] for part in PARTS]
    rows = [
        [group, *(share(part.groups[name].get(group, 0), part.images) for part in parts)]
        for group in sheet.whole.groups[name]
    ]
    return table([label, *(f"{part}: images" for part in PARTS)], rows)


def confirmation(task: Task, part: PartSheet) -> Markup:
    """The images of each diagnosis by the way in which it was confirmed."""
    ways = list(part.confirmed_by)
    rows = [[code, *(part.confirmed_by[way].get(code, 0) for way in ways)] for code in task.codes]
    total = ["all", *(share(sum(part.confirmed_by[way].values()), part.images) for way in ways)]
    return table(["Diagnosis", *(CONFIRMED_BY.get(way, way) for way in ways)], [*rows, total])


def settings(values: Mapping[str, object]) -> Markup:
    """Every setting of the run under the name that `config.json` gives it."""
    labels = {info.name: info.label for info in field_infos()}
    return table(["Setting", "Name", "Value"], [[labels[name], name, str(value)] for name, value in values.items()])


def headline(report: Report) -> Markup:
    """The headline metrics with their intervals."""
    rows = [
        [metric.label, interval(report.headline.get(name)), metric.help]
        for name, metric in metrics_of(report.task).items()
    ]
    return table(["Metric", "Value (95% interval)", "Meaning"], rows)


def classes(report: Report) -> Markup:
    """The measures of each diagnosis."""
    header = ["Diagnosis", "Recall (95% interval)", "Precision", "F1 (95% interval)", "AUC", "Images", "Lesions"]
    return table(header, [_class_row(code, row) for code, row in report.per_class.items()])


def _class_row(code: str, row: ClassReport) -> list[object]:
    recall, f1 = (
        interval(Estimate(*bounds))
        for bounds in ((row.recall, row.recall_low, row.recall_high), (row.f1, row.f1_low, row.f1_high))
    )
    return [code, recall, number(row.precision), f1, number(row.auc), row.support, row.lesions]


def confusion(report: Report) -> Markup:
    """The confusion matrix: rows are the truth, columns the most probable diagnosis."""
    rows = [[code, *counts] for code, counts in zip(report.task.codes, report.confusion, strict=True)]
    return table(["True ↓, taken for →", *report.task.codes], rows)


def subgroups(report: Report) -> dict[str, Markup]:
    """A table of each grouping of the test images, by the grouping's name."""
    labels = {field.name: field.label for field in report.task.fields}
    return {
        name: _subgroup_table(labels.get(name, name.replace("_", " ").capitalize()), report, groups)
        for name, groups in report.subgroups.items()
    }


def _subgroup_table(label: str, report: Report, groups: Mapping[str, Subgroup]) -> Markup:
    names = subgroup_metrics(report.task)
    header = [label, "Images", "Lesions", *(METRICS[name].label for name in names)]
    rows = [
        [CONFIRMED_BY.get(name, name), group.n, group.n_lesions, *(interval(group.headline.get(own)) for own in names)]
        for name, group in groups.items()
    ]
    return table(header, rows)


def prediction_set_thresholds(report: Report) -> Markup:
    """The least probability at which each diagnosis stays in the prediction set."""
    thresholds = report.operating_point.thresholds.diagnoses if report.operating_point else {}
    return table(["Diagnosis", "Stays possible from"], [[code, f"{least:.3f}"] for code, least in thresholds.items()])


def called_low(report: Report) -> Markup:
    """The images whose risk comes out low, by what they are."""
    point = report.operating_point
    rows = [
        [kind, low.images, low.low_risk, interval(low.share)]
        for kind, low in (point.called_low if point else {}).items()
    ]
    return table(["True behaviour", "Images", "Called low risk", "Share (95% interval)"], rows)
