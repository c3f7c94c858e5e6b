"""Handlers of the Performance tab: the report of one part of a run, or of an uploaded table of predictions."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import plotly.graph_objects as go

from skin.audit.audit import AUDITS
from skin.errors import UsageError, UserError
from skin.evaluation import prediction_table
from skin.evaluation.metrics import is_malignant
from skin.evaluation.operating_point import judge_targets, judge_thresholds
from skin.evaluation.prevalence import UNCHANGED, Prevalence, class_shares, parse_prevalence, shares_as_text
from skin.evaluation.report import Evaluation, evaluate
from skin.plots import report as plots
from skin.plots.training import history_figure
from skin.task import MAX_CLASSES, Task
from skin.ui.components.choice import offer
from skin.ui.components.confusion_matrix import cell_name, confusion_table
from skin.ui.components.gallery import load_gallery
from skin.ui.components.loaded_report import LoadedReport, ReportKey, load_by_key, reported_runs
from skin.ui.components.notices import paragraph, status_line
from skin.ui.components.open_datasets import OpenDatasets
from skin.ui.components.tables import headed, picture_list
from skin.ui.gradio_internals import save_for_browser
from skin.ui.performance import sections
from skin.ui.performance.audit_sections import audit_figures, section
from skin.ui.performance.export import CURVES, DOWNLOADS, FIGURES, N_MISTAKES, stage_sentences
from skin.workspace import Workspace

COUNTS, SHARES = "images", "% of the diagnosis"
N_PICTURES = 24

STEP, DEFAULT_THRESHOLD = 0.005, 0.5
"""The finest change of a picked threshold, and what stands beside it where there is no threshold of the run's own."""

PICKED_IS_NO_RESULT = (
    "From which malignant probability on should a lesion be called malignant? A threshold "
    "picked here is picked on the very images it is judged by: a way to see the trade, not a result to report."
)

PREVALENCE_HELP = (
    "How common the diagnoses are where you work changes what a finding means. The shares below are then those that these "
    "images would give were they so common."
)

OWN_IS_CHOSEN = "The run's own was chosen on the validation part."
OWN_IS_MISSING = "A table of predictions has no threshold of its own: 0.5 stands beside it."

NOTHING_YET = (
    "No run has a report yet: train one on the Training tab (the demo takes a few minutes), "
    "or judge predictions made elsewhere."
)

NO_CELL = "There is no such cell: click one of the confusion matrix."

Cell = tuple[int, int]
"""Truth and prediction, indices into the task's diagnoses."""


def choose_report(
    workspace: Workspace, run: str | None, part: str, uploaded: LoadedReport | None, opened_run: str
) -> list[Any]:
    """The runs to choose from, whether a part can be chosen, the key of what is shown, a notice, and the content.

    Where nothing is chosen, it is the run that was opened elsewhere, else the newest.
    """
    names, shown = list(reported_runs(workspace)), run
    if not run and uploaded is None:
        run = opened_run or next(iter(names), None)
    widgets = [
        offer(list(dict.fromkeys([run, *names] if run else names)), run, shown),
        gr.Radio(interactive=bool(run)),
    ]
    try:
        key = _key(workspace, run, part, uploaded)
        loaded = load_by_key(workspace, key)
    except UserError as error:
        return [*widgets, None, status_line(str(error)), gr.Column(visible=False)]
    return [*widgets, key, headed(loaded.title), gr.Column(visible=True)]


def _key(workspace: Workspace, run: str | None, part: str, uploaded: LoadedReport | None) -> ReportKey:
    """The key of what is chosen. Raises UserError when that is gone, or nothing is."""
    if run:
        return ReportKey.of_run(workspace, run, part)
    if uploaded is None:
        raise UserError(NOTHING_YET)
    return ReportKey(upload=uploaded)


def show_opened_run(opened_run: str) -> Any:
    """The run that another tab opened."""
    return gr.Dropdown([opened_run], value=opened_run) if opened_run else gr.skip()


def judge_upload(upload: str) -> tuple[LoadedReport, None]:
    """The predictions in an uploaded table, which is deleted at once, judged; no run is chosen any more."""
    path = Path(upload)
    try:
        predictions = prediction_table.from_csv(path.read_bytes())
    finally:
        path.unlink()
    report = dataclasses.replace(evaluate(predictions), evaluation=Evaluation.now())
    return LoadedReport(path.name, predictions, report), None


def show_headline(loaded: LoadedReport) -> str:
    """The headline figures and what they mean in words."""
    return sections.headline_tiles(loaded.report, loaded.origin.gap(loaded.report))


def show_matrix(loaded: LoadedReport, unit: str) -> str:
    """The confusion matrix in images or shares, its cells to be clicked."""
    caption = "Rows: the true diagnosis. Columns: the most probable one. Click a cell to see its images."
    return confusion_table(loaded.report, unit == SHARES, caption, clickable=True)


def select_cell(event: gr.EventData) -> Cell:
    """The cell that was clicked. Raises UsageError when there is no such cell."""
    truth, predicted = (event._data.get(name) for name in ("truth", "predicted"))
    if truth not in range(MAX_CLASSES) or predicted not in range(MAX_CLASSES):
        raise UsageError(NO_CELL)
    return truth, predicted


def clear_cell() -> None:
    """No cell, which stands for the mistakes."""


def show_pictures(open_datasets: OpenDatasets, loaded: LoadedReport, cell: Cell | None) -> tuple[str, Any, Any]:
    """The heading and the gallery of a cell's images or, without a cell, of the most confident mistakes; the way back."""
    if cell and max(cell) >= len(loaded.report.task):
        raise UsageError(NO_CELL)
    rows = loaded.cell(*cell) if cell else loaded.mistakes()[:N_MISTAKES]
    words = _cell_heading(loaded.report.task, cell, len(rows)) if cell else _mistakes_heading(len(rows))
    heading = headed(words, level=3)
    captions, back = loaded.captions(rows[:N_PICTURES]), gr.Button(visible=cell is not None)
    try:
        return heading, gr.Gallery(load_gallery(captions, loaded, open_datasets), visible=bool(captions)), back
    except UserError as error:
        listed = picture_list(captions)
        return heading + paragraph(str(error)) + listed, gr.Gallery(visible=False), back


def _mistakes_heading(n: int) -> str:
    return f"The most confident mistake{'s' * (n > 1)}" if n else "Not one mistake"


def _cell_heading(task: Task, cell: Cell, n: int) -> str:
    shown = f", the {N_PICTURES} surest" if n > N_PICTURES else ""
    return f"{cell_name(task, *cell)}: {n:,} image{'s' * (n != 1)}{shown}"


def show_classes(loaded: LoadedReport) -> list[Any]:
    """The table of the diagnoses, and the figures of every report."""
    return [
        headed("Each diagnosis", sections.class_table(loaded.report), level=3),
        *(figure(loaded) for figure in FIGURES.values()),
    ]


def show_operating_point(loaded: LoadedReport, told: str = UNCHANGED) -> list[Any]:
    """The section on thresholds, shown where one can be picked: words, the slider at the subject's own, the table."""
    n_malignant = int(is_malignant(loaded.predictions.task, loaded.predictions.truth).sum())
    if loaded.predictions.are_labels or n_malignant in (0, loaded.report.n):
        return [gr.Column(visible=False), "", gr.skip(), ""]
    picked = round(STEP * round(_own_threshold(loaded) / STEP), 3)
    own = OWN_IS_CHOSEN if loaded.report.operating_point else OWN_IS_MISSING
    words = headed("Operating point", paragraph(f"{PICKED_IS_NO_RESULT} {own}"), level=3)
    return [gr.Column(visible=True), words, gr.Slider(value=picked), show_threshold(loaded, picked, told)]


def show_threshold(loaded: LoadedReport, picked: float, told: str = UNCHANGED) -> str:
    """The rates of the picked threshold for malignant beside the subject's own, for the prevalence that was told."""
    prevalence = _prevalence(loaded, told)
    own, other = judge_thresholds(loaded.predictions, [_own_threshold(loaded), picked], prevalence)
    columns = {"The run's own" if loaded.report.operating_point else "For comparison": own, "Picked": other}
    return sections.threshold_table(columns, prevalence)


def show_targets(loaded: LoadedReport, told: str = UNCHANGED) -> str:
    """The thresholds that were set to reach target sensitivities, for the prevalence that was told; "" without them."""
    rows, prevalence = loaded.report.operating_points, _prevalence(loaded, told)
    if prevalence:
        rows = judge_targets({row.target: row.threshold for row in rows if row.target}, loaded.predictions, prevalence)
    return sections.target_table(rows, prevalence) if rows else ""


def shares_shown(load: Callable[[ReportKey], LoadedReport], key: ReportKey | None) -> str:
    """The shares of the diagnoses among the images of a report, as they are typed; "" where nothing is shown."""
    if key is None:
        return ""
    predictions = load(key).predictions
    return shares_as_text(predictions.task, class_shares(predictions))


def _prevalence(loaded: LoadedReport, told: str) -> Prevalence | None:
    return parse_prevalence(told, loaded.predictions.task, class_shares(loaded.predictions))


def show_decision_curve(loaded: LoadedReport) -> Any:
    """The decision curve, where the report has one."""
    rows = loaded.report.decision_curve
    return gr.Plot(plots.decision_curve(rows), visible=True) if rows else gr.Plot(None, visible=False)


def show_decisions(loaded: LoadedReport) -> tuple[Any, str]:
    """The section on the decision rules, shown where the report has them."""
    table = sections.decision_table(loaded.report)
    return gr.Column(visible=bool(table)), headed("Decision rules", table, level=3) if table else ""


def show_calibration(loaded: LoadedReport) -> str:
    """The calibration and the coverage of the prediction sets as tables, "" of bare diagnoses."""
    tables = sections.calibration_tables(loaded.report)
    return headed("Calibration and prediction sets", tables, level=3) if tables else ""


def _own_threshold(loaded: LoadedReport) -> float:
    """The threshold for malignant chosen on the run's validation part; HALF where no run is known."""
    point = loaded.report.operating_point
    return point.thresholds.malignant if point else DEFAULT_THRESHOLD


def show_groups(loaded: LoadedReport) -> tuple[Any, str]:
    """The figures of groups of images, where a report tells."""
    if not loaded.report.subgroups:
        return gr.Accordion(visible=False), ""
    return gr.Accordion(visible=True), sections.group_tables(loaded.report, loaded.origin.group_gap(loaded.report))


def show_audit(loaded: LoadedReport) -> list[Any]:
    """The steps of the run's audit, whichever part is shown: a notice on missing ones, and of each its words and figures."""
    steps = [part for name in AUDITS for part in _audit_step(name, loaded.audit.get(name))]
    return [
        gr.Accordion(visible=loaded.run is not None),
        status_line(loaded.audit_gap) if loaded.audit_gap else "",
        *steps,
    ]


def _audit_step(name: str, record: Any | None) -> list[Any]:
    """The section of a step and its figures, hidden where there is nothing to show."""
    figures = [None if record is None else figure(record) for figure in audit_figures(name).values()]
    plots = [gr.Plot(figure, visible=figure is not None) for figure in figures]
    content = "" if record is None else headed(AUDITS[name].title, section(name, record), level=3)
    return [content, *plots]


def show_origin(loaded: LoadedReport) -> str:
    """The origin of the figures, and the settings of the run."""
    return sections.origin_table(loaded.origin.facts(loaded.report)) + (
        headed("Settings", settings, level=3) if (settings := sections.settings_table(loaded.origin.settings)) else ""
    )


def show_curves(loaded: LoadedReport) -> list[Any]:
    """The figures that need probabilities with their tables, and whether there are any."""
    if loaded.predictions.are_labels:
        return [gr.Column(visible=False), *[None] * len(CURVES), ""]
    figures = [figure(loaded) for figure in CURVES.values()]
    return [gr.Column(visible=True), *figures, sections.curve_tables(*figures)]


def show_training(loaded: LoadedReport) -> tuple[Any, str, go.Figure | None]:
    """The stages of the run in sentences, and its history, where there is one."""
    if not loaded.history:
        return gr.Column(visible=False), "", None
    return (
        gr.Column(visible=True),
        headed("Training", stage_sentences(loaded.history), level=3),
        history_figure(loaded.history),
    )


def make_file(kind: str, loaded: LoadedReport) -> str:
    """Path of a file to download, for a row of DOWNLOADS."""
    suffix, write = DOWNLOADS[kind]
    name = f"{loaded.title.replace(', ', '-').replace(' ', '-')}.{suffix}"
    return save_for_browser(write(loaded).encode(), name)
