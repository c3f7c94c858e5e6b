"""A report to take along: what is drawn of it, what is said of its training, and the files that it can be had as."""

import json
from collections.abc import Callable, Mapping, Sequence
from html import escape

import plotly.graph_objects as go

from skin.evaluation import prediction_table
from skin.evaluation.report import Report
from skin.plots import report as plots
from skin.plots.training import history_figure
from skin.run import Epoch, best_epoch
from skin.ui.report_html import (
    class_table,
    confusion_table,
    document,
    group_tables,
    headline_tiles,
    origin_table,
    picture_list,
    settings_table,
)
from skin.ui.subject import Subject

N_MISTAKES = 12
"""Mistakes that are shown, the most confident first."""

STAGES = {1: "Stage 1, the head on the frozen backbone", 2: "Stage 2, the whole network"}

FIGURES: Mapping[str, Callable[[Subject], go.Figure]] = {
    "F1, precision and recall of each diagnosis": lambda subject: plots.class_scores(subject.report),
    "Number of images of each diagnosis, shaded by F1": lambda subject: plots.distribution_by_f1(subject.report),
}
"""What is drawn of every report, and what it is called where it cannot be seen."""

CURVES: Mapping[str, Callable[[Subject], go.Figure]] = {
    "ROC curves": lambda subject: plots.roc_curves(subject.predictions, subject.report.operating_point),
    "Precision-recall curves": lambda subject: plots.precision_recall_curves(subject.predictions),
    "Calibration curve": lambda subject: plots.calibration_curve(subject.predictions),
}
"""What is drawn where there are probabilities, likewise."""


def stage_words(history: Sequence[Epoch]) -> str:
    """What each stage reached on the validation part, and what stage 2 gained."""
    bests = {stage: best_epoch([epoch for epoch in history if epoch.stage == stage]) for stage in STAGES}
    words = [
        f"{STAGES[stage]}: validation accuracy {best.val_accuracy:.1%}, balanced {best.val_balanced_accuracy:.1%}, "
        f"loss {best.val_loss:.3f} at its best epoch ({best.epoch})."
        for stage, best in bests.items()
        if best
    ]
    first, second = bests[1], bests[2]
    if first and second:
        points = 100 * (second.val_accuracy - first.val_accuracy)
        balanced = 100 * (second.val_balanced_accuracy - first.val_balanced_accuracy)
        words.append(f"Stage 2 changed the accuracy by {points:+.1f} points, the balanced accuracy by {balanced:+.1f}.")
    return '<ul class="words">' + "".join(f"<li>{escape(sentence)}</li>" for sentence in words) + "</ul>"


def _as_html(subject: Subject) -> str:
    """The whole report as a page that needs no network."""
    report = subject.report
    mistakes = subject.captions(subject.mistakes()[:N_MISTAKES])
    sections = {
        "Headline figures": headline_tiles(report, subject.origin.gap(report)),
        "Where these figures come from": origin_table(subject.origin.facts(report)),
        "Confusion matrix": _matrices(report),
        "Each diagnosis": class_table(report),
        "Most confident mistakes": picture_list(mistakes),
    }
    if report.subgroups:
        sections["Groups of images"] = group_tables(report, subject.origin.group_gap(report))
    figures = [figure(subject) for figure in FIGURES.values()]
    if not subject.predictions.are_labels:
        figures += [figure(subject) for figure in CURVES.values()]
    if subject.history:
        sections["Training"] = stage_words(subject.history)
        figures.append(history_figure(subject.history))
    if settings := settings_table(subject.origin.settings):
        sections["Settings of the run"] = settings
    return document(subject.title, sections, figures)


def _matrices(report: Report) -> str:
    """The confusion matrix in images, and in shares of the row."""
    images = confusion_table(report, caption="Images. Rows: the true diagnosis. Columns: the most probable one.")
    shares = confusion_table(report, shares=True, caption="The same in % of the images of the true diagnosis.")
    return f'<div class="matrices">{images}{shares}</div>'


def _as_json(subject: Subject) -> str:
    return json.dumps(subject.origin.to_dict(subject.report), indent=1, allow_nan=False)


def _as_csv(subject: Subject) -> str:
    origin = subject.origin
    return prediction_table.to_csv(subject.predictions, origin.settings | origin.facts(subject.report))


DOWNLOADS: Mapping[str, tuple[str, Callable[[Subject], str]]] = {
    "Report (HTML)": ("html", _as_html),
    "Report (JSON)": ("json", _as_json),
    "Predictions (CSV)": ("csv", _as_csv),
}
"""What can be downloaded: its file suffix, and how it is made."""
