"""A report to download: its files, and the figures and sentences that the page shows, too."""

import json
from collections.abc import Callable, Mapping, Sequence

import plotly.graph_objects as go
from markupsafe import Markup

from skin.audit.audit import AUDITS
from skin.errors import UserError
from skin.evaluation import prediction_table
from skin.evaluation.predictions import Predictions
from skin.evaluation.reliability import untempered
from skin.evaluation.report import Report
from skin.plots import report as plots
from skin.plots.training import history_figure
from skin.publishing.model_card import model_card
from skin.records import to_plain
from skin.run import Epoch, best_epoch
from skin.ui.components.confusion_matrix import confusion_table
from skin.ui.components.document import document
from skin.ui.components.loaded_report import LoadedReport
from skin.ui.components.notices import paragraph
from skin.ui.components.tables import picture_list, sentence_list, side_by_side
from skin.ui.performance.audit_sections import audit_figures, section
from skin.ui.performance.sections import (
    calibration_tables,
    class_table,
    decision_table,
    group_tables,
    headline_tiles,
    origin_table,
    settings_table,
    target_table,
)

N_MISTAKES = 12
"""Mistakes that are shown, the most confident first."""

STAGES = {1: "Stage 1, the head on the frozen backbone", 2: "Stage 2, the whole network"}

FIGURES: Mapping[str, Callable[[LoadedReport], go.Figure]] = {
    "F1, precision and recall of each diagnosis": lambda loaded: plots.class_scores(loaded.report),
    "Number of images of each diagnosis, shaded by F1": lambda loaded: plots.distribution_by_f1(loaded.report),
}
"""The figures of every report, by what they are called where they cannot be seen."""

CURVES: Mapping[str, Callable[[LoadedReport], go.Figure]] = {
    "ROC curves": lambda loaded: plots.roc_curves(loaded.predictions, loaded.report.operating_point),
    "Precision-recall curves": lambda loaded: plots.precision_recall_curves(loaded.predictions),
    "Calibration curve": lambda loaded: plots.calibration_curve(loaded.predictions, _before(loaded)),
}
"""The figures of a report with probabilities, likewise."""


def _before(loaded: LoadedReport) -> Predictions | None:
    """The predictions before their calibration, where the temperature is known."""
    calibration = loaded.report.calibration
    return untempered(loaded.predictions, calibration.temperature) if calibration and calibration.temperature else None


def stage_sentences(history: Sequence[Epoch]) -> Markup:
    """The best of each stage on the validation part, and the gain of stage 2."""
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
    return sentence_list(words)


def _as_html(loaded: LoadedReport) -> str:
    """The whole report as a page that needs no network."""
    report = loaded.report
    mistakes = loaded.captions(loaded.mistakes()[:N_MISTAKES])
    sections = {
        "Headline figures": headline_tiles(report, loaded.origin.gap(report)),
        "Where these figures come from": origin_table(loaded.origin.facts(report)),
        "Confusion matrix": _matrices(report),
        "Each diagnosis": class_table(report),
        **_told({"Decision rules": decision_table(report), "Operating points": _targets(report)}),
        **_told({"Calibration and prediction sets": calibration_tables(report)}),
        "Most confident mistakes": picture_list(mistakes),
    }
    if report.subgroups:
        sections["Groups of images"] = group_tables(report, loaded.origin.group_gap(report))
    figures = [figure(loaded) for figure in FIGURES.values()]
    if not loaded.predictions.are_labels:
        figures += [figure(loaded) for figure in CURVES.values()]
    if report.decision_curve:
        figures.append(plots.decision_curve(report.decision_curve))
    for name, record in loaded.audit.items():
        sections[f"Audit: {AUDITS[name].title.lower()}"] = section(name, record)
        drawn = [figure(record) for figure in audit_figures(name).values()]
        figures += [figure for figure in drawn if figure is not None]
    if loaded.audit_gap:
        sections["Audit"] = paragraph(loaded.audit_gap)
    if loaded.history:
        sections["Training"] = stage_sentences(loaded.history)
        figures.append(history_figure(loaded.history))
    if settings := settings_table(loaded.origin.settings):
        sections["Settings of the run"] = settings
    return document(loaded.title, sections, figures)


def _told(sections: Mapping[str, Markup]) -> dict[str, Markup]:
    """The sections that have anything to tell."""
    return {title: content for title, content in sections.items() if content}


def _targets(report: Report) -> Markup:
    return target_table(report.operating_points) if report.operating_points else Markup("")


def _matrices(report: Report) -> Markup:
    """The confusion matrix in images, and in shares of the row."""
    images = confusion_table(report, caption="Images. Rows: the true diagnosis. Columns: the most probable one.")
    shares = confusion_table(report, shares=True, caption="The same in % of the images of the true diagnosis.")
    return side_by_side([images, shares])


def _as_json(loaded: LoadedReport) -> str:
    values = loaded.origin.to_dict(loaded.report)
    audit = {name: to_plain(record) for name, record in loaded.audit.items()}
    return json.dumps({**values, "audit": audit}, indent=1, allow_nan=False)


def _as_csv(loaded: LoadedReport) -> str:
    origin = loaded.origin
    return prediction_table.to_csv(loaded.predictions, origin.settings | origin.facts(loaded.report))


def _as_card(loaded: LoadedReport) -> str:
    """The model card of the run, whichever part is shown. Raises UserError where there is no run."""
    if loaded.run is None:
        raise UserError(
            "A table of predictions tells nothing of the model that made them: choose a run to get its card."
        )
    return str(model_card(loaded.run))


DOWNLOADS: Mapping[str, tuple[str, Callable[[LoadedReport], str]]] = {
    "Report (HTML)": ("html", _as_html),
    "Report (JSON)": ("json", _as_json),
    "Predictions (CSV)": ("csv", _as_csv),
    "Model card (Markdown)": ("md", _as_card),
}
"""The files to download: their suffix, and how they are made."""
