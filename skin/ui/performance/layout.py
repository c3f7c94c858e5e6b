"""The Performance tab: its components, and what wires them to the handlers."""

from collections.abc import Iterable
from functools import partial

import gradio as gr

from skin.audit.audit import AUDITS
from skin.evaluation import prediction_table
from skin.ui.components import downloads, prevalence_form
from skin.ui.components.context import AppContext, current_tab
from skin.ui.components.events import CLICKED_EVENT, PRIVATE_EVENT, keep_run_in_address, with_gradio_errors
from skin.ui.components.gallery import GALLERY
from skin.ui.components.keyed_state import KeyedState
from skin.ui.components.loaded_report import load_by_key
from skin.ui.components.notices import status_line
from skin.ui.components.open_datasets import OpenDatasets
from skin.ui.performance.audit_sections import audit_figures
from skin.ui.performance.export import CURVES, DOWNLOADS, FIGURES
from skin.ui.performance.handlers import (
    COUNTS,
    DEFAULT_THRESHOLD,
    NOTHING_YET,
    PREVALENCE_HELP,
    SHARES,
    STEP,
    choose_report,
    clear_cell,
    judge_upload,
    make_file,
    select_cell,
    shares_shown,
    show_audit,
    show_calibration,
    show_classes,
    show_curves,
    show_decision_curve,
    show_decisions,
    show_groups,
    show_headline,
    show_matrix,
    show_opened_run,
    show_operating_point,
    show_origin,
    show_pictures,
    show_targets,
    show_threshold,
    show_training,
)

PARTS = [("Test", "test"), ("Validation", "validation")]


def build(context: AppContext) -> None:
    """Lay out and wire the tab."""
    with gr.Row():
        run = gr.Dropdown([], value=None, label="Run", scale=3, min_width=300)
        part = gr.Radio(PARTS, value="test", label="Part", scale=2, min_width=250)
    with gr.Accordion("Judge predictions made elsewhere", open=False):
        gr.Markdown(f"A CSV with {prediction_table.FORMAT}. It is read, judged and deleted.")
        upload = gr.UploadButton("Upload a CSV", file_types=[".csv", ".tsv", ".txt"], size="md")
    notice = gr.HTML(status_line(NOTHING_YET), elem_classes="report")
    uploaded = gr.State(None, time_to_live=3600)
    state = KeyedState(gr.State(None), partial(load_by_key, context.workspace))
    with gr.Column(visible=False) as content:
        _build_headline(state)
        _build_confusion(state, context.open_datasets)
        for section in (
            _build_classes,
            _build_decisions,
            _build_operating_point,
            _build_groups,
            _build_curves,
            _build_calibration,
            _build_audit,
            _build_training,
            _build_origin,
        ):
            section(state)
    choosing = {
        "fn": partial(choose_report, context.workspace),
        "inputs": [run, part, uploaded, context.opened_run],
        "outputs": [run, part, state.key, notice, content],
        **PRIVATE_EVENT,
    }
    # One listener of all, so that Gradio's page has it called by turns and what is chosen twice is drawn once.
    gr.on([current_tab(context).select, run.change, part.input, uploaded.change], **choosing)
    run.change(None, run, js=keep_run_in_address("performance"), api_visibility="private")
    context.opened_run.change(show_opened_run, context.opened_run, run, **PRIVATE_EVENT)
    upload.upload(with_gradio_errors(judge_upload), upload, [uploaded, run], api_visibility="private")


def _build_headline(state: KeyedState) -> None:
    state.on_change(show_headline, [gr.HTML(elem_classes="report")])
    downloads.download_buttons(state, DOWNLOADS, make_file, "report")


def _build_confusion(state: KeyedState, open_datasets: OpenDatasets) -> None:
    cell = gr.State(None)
    with gr.Row(equal_height=False):
        with gr.Column(min_width=320):
            unit = gr.Radio([COUNTS, SHARES], value=COUNTS, label="Confusion matrix in")
            matrix = gr.HTML(elem_classes="report", js_on_load=_CLICKED_CELL, elem_id="confusion")
        with gr.Column(min_width=320):
            heading = gr.HTML(elem_classes="report")
            gallery = gr.Gallery(**GALLERY)
            mistakes = gr.Button("Back to the most confident mistakes", size="sm", visible=False)
    state.on_change(show_matrix, [matrix], [unit], unit.input)
    state.on_change(partial(show_pictures, open_datasets), [heading, gallery, mistakes], [cell], cell.change)
    matrix.select(with_gradio_errors(select_cell), None, cell, **CLICKED_EVENT)
    gr.on([mistakes.click, state.key.change], clear_cell, None, cell, **PRIVATE_EVENT)


_CLICKED_CELL = """element.addEventListener("click", (event) => {
    const cell = event.target.closest("button.cell");
    if (!cell) return;
    element.querySelectorAll("button.cell").forEach((other) => other.setAttribute("aria-pressed", other === cell));
    trigger("select", { truth: Number(cell.dataset.truth), predicted: Number(cell.dataset.predicted) });
});"""


def _build_classes(state: KeyedState) -> None:
    table = gr.HTML(elem_classes="report")
    state.on_change(show_classes, [table, *_plots(FIGURES)])


def _build_operating_point(state: KeyedState) -> None:
    with gr.Column() as section:
        words = gr.HTML(elem_classes="report")
        picked = gr.Slider(0, 1, value=DEFAULT_THRESHOLD, step=STEP, label="Threshold for malignant")
        prevalence = prevalence_form.build(
            "As in these images", PREVALENCE_HELP, ["equal"], partial(shares_shown, state.load), state.key
        )
        table = gr.HTML(elem_classes="report")
        targets = gr.HTML(elem_classes="report")
        curve = gr.Plot(label="Decision curve", show_label=False, visible=False)
    state.on_change(show_operating_point, [section, words, picked, table], [prevalence])
    gr.on(
        [picked.input, prevalence.change],
        **state.listener(show_threshold, [table], [picked, prevalence]),
    )
    state.on_change(show_targets, [targets], [prevalence], prevalence.change)
    state.on_change(show_decision_curve, [curve])


def _build_decisions(state: KeyedState) -> None:
    with gr.Column() as section:
        table = gr.HTML(elem_classes="report")
    state.on_change(show_decisions, [section, table])


def _build_calibration(state: KeyedState) -> None:
    state.on_change(show_calibration, [gr.HTML(elem_classes="report")])


def _build_groups(state: KeyedState) -> None:
    with gr.Accordion("By age, sex, site and how the diagnosis was confirmed", open=False) as accordion:
        tables = gr.HTML(elem_classes="report")
    state.on_change(show_groups, [accordion, tables])


def _build_curves(state: KeyedState) -> None:
    with gr.Column() as curves:
        figures = _plots(CURVES)
        tables = gr.HTML(elem_classes="report")
    state.on_change(show_curves, [curves, *figures, tables])


def _build_audit(state: KeyedState) -> None:
    with gr.Accordion("Audit: how far it can be trusted", open=False) as accordion:
        outputs: list[gr.HTML | gr.Plot | gr.Accordion] = [accordion, gr.HTML(elem_classes="report")]
        for name in AUDITS:
            outputs += [gr.HTML(elem_classes="report"), *_plots(audit_figures(name))]
    state.on_change(show_audit, outputs)


def _build_training(state: KeyedState) -> None:
    with gr.Column() as training:
        words = gr.HTML(elem_classes="report")
        history = gr.Plot(label="Loss and accuracy by epoch", show_label=False)
    state.on_change(show_training, [training, words, history])


def _build_origin(state: KeyedState) -> None:
    with gr.Accordion("Where these figures come from", open=False):
        state.on_change(show_origin, [gr.HTML(elem_classes="report")])


def _plots(labels: Iterable[str]) -> list[gr.Plot]:
    """Figures beside each other where there is room."""
    with gr.Row():
        return [gr.Plot(label=label, show_label=False, min_width=420) for label in labels]
