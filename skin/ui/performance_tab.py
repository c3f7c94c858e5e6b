"""The Performance tab: what one model's predictions are worth."""

import dataclasses
from collections.abc import Iterable
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import plotly.graph_objects as go
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from skin.errors import UsageError, UserError
from skin.evaluation import prediction_table
from skin.evaluation.metrics import is_malignant
from skin.evaluation.operating_point import judge_thresholds
from skin.evaluation.report import Evaluation, evaluate
from skin.plots.training import history_figure
from skin.task import MAX_CLASSES, Task
from skin.ui import downloads, report_html
from skin.ui.page import Page, remember_run, spoken
from skin.ui.pictures import GALLERY, pictures
from skin.ui.report_file import CURVES, DOWNLOADS, FIGURES, N_MISTAKES, stage_words
from skin.ui.selection import Shelf
from skin.ui.subject import Key, Subject, load_subject, reported_runs
from skin.ui.view import QUIET, View, tab_being_built
from skin.workspace import Workspace

PARTS = [("Test", "test"), ("Validation", "validation")]
COUNTS, SHARES = "images", "% of the diagnosis"
N_PICTURES = 24

STEP, HALF = 0.005, 0.5
"""The finest change of a picked threshold, and what stands beside it where there is no threshold of the run's own."""

PICKED_IS_NO_RESULT = (
    "From which malignant probability on should a lesion be called malignant? A threshold "
    "picked here is picked on the very images it is judged by: a way to see the trade, not a result to report."
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


def choose(workspace: Workspace, run: str | None, part: str, uploaded: Subject | None, opened: str) -> list[Any]:
    """The runs to choose from, whether a part can be chosen, the key of what is shown, a notice, and the content.

    Where nothing is chosen, it is the run that was opened elsewhere, else the newest.
    """
    names = list(reported_runs(workspace))
    if not run and uploaded is None:
        run = opened or next(iter(names), None)
    widgets = [
        gr.Dropdown(list(dict.fromkeys([run, *names] if run else names)), value=run),
        gr.Radio(interactive=bool(run)),
    ]
    try:
        key = _key(workspace, run, part, uploaded)
        subject = load_subject(workspace, key)
    except UserError as error:
        return [*widgets, None, _notice(str(error)), gr.Column(visible=False)]
    return [*widgets, key, f"<h2>{escape(subject.title)}</h2>", gr.Column(visible=True)]


def _key(workspace: Workspace, run: str | None, part: str, uploaded: Subject | None) -> Key:
    """The key of what is chosen. Raises UserError when that is gone, or nothing is."""
    if run:
        return Key.of_run(workspace, run, part)
    if uploaded is None:
        raise UserError(NOTHING_YET)
    return Key(upload=uploaded)


def _notice(sentence: str) -> str:
    return f'<p role="status">{escape(sentence)}</p>'


def follow(opened: str) -> Any:
    """The run that another tab opened."""
    return gr.Dropdown([opened], value=opened) if opened else gr.skip()


def judge(upload: str) -> tuple[Subject, None]:
    """The predictions in an uploaded table, which is deleted at once, judged; no run is chosen any more."""
    path = Path(upload)
    try:
        predictions = prediction_table.from_csv(path.read_bytes())
    finally:
        path.unlink()
    report = dataclasses.replace(evaluate(predictions), evaluation=Evaluation.now())
    return Subject(path.name, predictions, report), None


def show_headline(subject: Subject) -> str:
    """The headline figures and what they mean in words."""
    return report_html.headline_tiles(subject.report, subject.origin.gap(subject.report))


def show_matrix(subject: Subject, unit: str) -> str:
    """The confusion matrix in images or shares, its cells to be clicked."""
    caption = "Rows: the true diagnosis. Columns: the most probable one. Click a cell to see its images."
    return report_html.confusion_table(subject.report, unit == SHARES, caption, clickable=True)


def pick(event: gr.EventData) -> Cell:
    """The cell that was clicked. Raises UsageError when there is no such cell."""
    truth, predicted = (event._data.get(name) for name in ("truth", "predicted"))
    if truth not in range(MAX_CLASSES) or predicted not in range(MAX_CLASSES):
        raise UsageError(NO_CELL)
    return truth, predicted


def pick_none() -> None:
    """No cell, which stands for the mistakes."""


def show_pictures(shelf: Shelf, subject: Subject, cell: Cell | None) -> tuple[str, Any, Any]:
    """The heading and the gallery of a cell's images or, without a cell, of the most confident mistakes; the way back."""
    if cell and max(cell) >= len(subject.report.task):
        raise UsageError(NO_CELL)
    rows = subject.cell(*cell) if cell else subject.mistakes()[:N_MISTAKES]
    heading = (
        f"<h3>{_cell_heading(subject.report.task, cell, len(rows)) if cell else _mistakes_heading(len(rows))}</h3>"
    )
    captions, back = subject.captions(rows[:N_PICTURES]), gr.Button(visible=cell is not None)
    try:
        return heading, gr.Gallery(pictures(captions, subject, shelf), visible=bool(captions)), back
    except UserError as error:
        listed = report_html.picture_list(captions)
        return f"{heading}<p>{escape(str(error))}</p>{listed}", gr.Gallery(visible=False), back


def _mistakes_heading(n: int) -> str:
    return f"The most confident mistake{'s' * (n > 1)}" if n else "Not one mistake"


def _cell_heading(task: Task, cell: Cell, n: int) -> str:
    shown = f", the {N_PICTURES} surest" if n > N_PICTURES else ""
    return escape(f"{report_html.cell_name(task, *cell)}: {n:,} image{'s' * (n != 1)}{shown}")


def show_classes(subject: Subject) -> list[Any]:
    """The table of the diagnoses, and the figures of every report."""
    return [
        f"<h3>Each diagnosis</h3>{report_html.class_table(subject.report)}",
        *(figure(subject) for figure in FIGURES.values()),
    ]


def show_operating_point(subject: Subject) -> list[Any]:
    """Whether a threshold can be picked, what to make of it, the slider at the subject's own, and the table."""
    n_malignant = int(is_malignant(subject.predictions.task, subject.predictions.truth).sum())
    if subject.predictions.are_labels or n_malignant in (0, subject.report.n):
        return [gr.Column(visible=False), "", gr.skip(), ""]
    picked = round(STEP * round(_own_threshold(subject) / STEP), 3)
    own = OWN_IS_CHOSEN if subject.report.operating_point else OWN_IS_MISSING
    words = f"<h3>Operating point</h3><p>{escape(f'{PICKED_IS_NO_RESULT} {own}')}</p>"
    return [gr.Column(visible=True), words, gr.Slider(value=picked), show_threshold(subject, picked)]


def show_threshold(subject: Subject, picked: float) -> str:
    """What the picked threshold for malignant achieves beside the subject's own."""
    own, other = judge_thresholds(subject.predictions, [_own_threshold(subject), picked])
    return report_html.threshold_table(
        {"The run's own" if subject.report.operating_point else "For comparison": own, "Picked": other}
    )


def _own_threshold(subject: Subject) -> float:
    """The threshold for malignant chosen on the run's validation part; HALF where no run is known."""
    point = subject.report.operating_point
    return point.thresholds.malignant if point else HALF


def show_groups(subject: Subject) -> tuple[Any, str]:
    """How well the groups of images are recognised, where a report tells."""
    if not subject.report.subgroups:
        return gr.Accordion(visible=False), ""
    return gr.Accordion(visible=True), report_html.group_tables(
        subject.report, subject.origin.group_gap(subject.report)
    )


def show_origin(subject: Subject) -> str:
    """Where the figures come from, and the settings of the run."""
    return report_html.origin_table(subject.origin.facts(subject.report)) + (
        f"<h3>Settings</h3>{settings}" if (settings := report_html.settings_table(subject.origin.settings)) else ""
    )


def show_curves(subject: Subject) -> list[Any]:
    """The figures that need probabilities with their tables, and whether there are any."""
    if subject.predictions.are_labels:
        return [gr.Column(visible=False), *[None] * len(CURVES), ""]
    figures = [figure(subject) for figure in CURVES.values()]
    return [gr.Column(visible=True), *figures, report_html.curve_tables(*figures)]


def show_training(subject: Subject) -> tuple[Any, str, go.Figure | None]:
    """What each stage reached, and its history, where there is one."""
    if not subject.history:
        return gr.Column(visible=False), "", None
    return gr.Column(visible=True), f"<h3>Training</h3>{stage_words(subject.history)}", history_figure(subject.history)


def make_file(kind: str, subject: Subject) -> str:
    """Path of a file to download, for a row of DOWNLOADS."""
    suffix, write = DOWNLOADS[kind]
    name = f"{subject.title.replace(', ', '-').replace(' ', '-')}.{suffix}"
    return save_bytes_to_cache(write(subject).encode(), name, get_upload_folder())


def build(page: Page) -> None:
    """Lay out and wire the tab."""
    with gr.Row():
        run = gr.Dropdown([], value=None, label="Run", scale=3, min_width=300)
        part = gr.Radio(PARTS, value="test", label="Part", scale=2, min_width=250)
    with gr.Accordion("Judge predictions made elsewhere", open=False):
        gr.Markdown(f"A CSV with {prediction_table.FORMAT}. It is read, judged and deleted.")
        upload = gr.UploadButton("Upload a CSV", file_types=[".csv", ".tsv", ".txt"], size="md")
    notice = gr.HTML(_notice(NOTHING_YET), elem_classes="report")
    uploaded = gr.State(None, time_to_live=3600)
    view = View(gr.State(None), partial(load_subject, page.workspace))
    with gr.Column(visible=False) as content:
        _build_headline(view)
        _build_confusion(view, page.shelf)
        for section in (
            _build_classes,
            _build_operating_point,
            _build_groups,
            _build_curves,
            _build_training,
            _build_origin,
        ):
            section(view)
    choosing = {
        "fn": partial(choose, page.workspace),
        "inputs": [run, part, uploaded, page.opened],
        "outputs": [run, part, view.shown, notice, content],
        **QUIET,
    }
    gr.on([tab_being_built(page).select, run.input, part.input], **choosing)
    run.change(None, run, js=remember_run("performance"), api_visibility="private")
    page.opened.change(follow, page.opened, run, **QUIET).then(**choosing)
    upload.upload(spoken(judge), upload, [uploaded, run], api_visibility="private").success(**choosing)


def _build_headline(view: View) -> None:
    view.follow(show_headline, [gr.HTML(elem_classes="report")])
    downloads.offer(view, DOWNLOADS, make_file, "report")


def _build_confusion(view: View, shelf: Shelf) -> None:
    cell = gr.State(None)
    with gr.Row(equal_height=False):
        with gr.Column(min_width=320):
            unit = gr.Radio([COUNTS, SHARES], value=COUNTS, label="Confusion matrix in")
            matrix = gr.HTML(elem_classes="report", js_on_load=_CLICKED_CELL, elem_id="confusion")
        with gr.Column(min_width=320):
            heading = gr.HTML(elem_classes="report")
            gallery = gr.Gallery(**GALLERY)
            mistakes = gr.Button("Back to the most confident mistakes", size="sm", visible=False)
    view.follow(show_matrix, [matrix], [unit], unit.input)
    view.follow(partial(show_pictures, shelf), [heading, gallery, mistakes], [cell], cell.change)
    matrix.select(spoken(pick), None, cell, **QUIET)
    gr.on([mistakes.click, view.shown.change], pick_none, None, cell, **QUIET)


_CLICKED_CELL = """element.addEventListener("click", (event) => {
    const cell = event.target.closest("button.cell");
    if (!cell) return;
    element.querySelectorAll("button.cell").forEach((other) => other.setAttribute("aria-pressed", other === cell));
    trigger("select", { truth: Number(cell.dataset.truth), predicted: Number(cell.dataset.predicted) });
});"""


def _build_classes(view: View) -> None:
    table = gr.HTML(elem_classes="report")
    view.follow(show_classes, [table, *_plots(FIGURES)])


def _build_operating_point(view: View) -> None:
    with gr.Column() as section:
        words = gr.HTML(elem_classes="report")
        picked = gr.Slider(0, 1, value=HALF, step=STEP, label="Threshold for malignant")
        table = gr.HTML(elem_classes="report")
    view.follow(show_operating_point, [section, words, picked, table])
    picked.input(**view.call(show_threshold, [table], [picked]), trigger_mode="always_last")


def _build_groups(view: View) -> None:
    with gr.Accordion("By age, sex, site and how the diagnosis was confirmed", open=False) as accordion:
        tables = gr.HTML(elem_classes="report")
    view.follow(show_groups, [accordion, tables])


def _build_curves(view: View) -> None:
    with gr.Column() as curves:
        figures = _plots(CURVES)
        tables = gr.HTML(elem_classes="report")
    view.follow(show_curves, [curves, *figures, tables])


def _build_training(view: View) -> None:
    with gr.Column() as training:
        words = gr.HTML(elem_classes="report")
        history = gr.Plot(label="Loss and accuracy by epoch", show_label=False)
    view.follow(show_training, [training, words, history])


def _build_origin(view: View) -> None:
    with gr.Accordion("Where these figures come from", open=False):
        view.follow(show_origin, [gr.HTML(elem_classes="report")])


def _plots(labels: Iterable[str]) -> list[gr.Plot]:
    """Figures beside each other where there is room."""
    with gr.Row():
        return [gr.Plot(label=label, show_label=False, min_width=420) for label in labels]
