"""The Comparison tab: its components, and what wires them to the handlers."""

from functools import lru_cache, partial
from typing import Any

import gradio as gr

from skin.plots import comparison as plots
from skin.ui.comparison import experiment_layout
from skin.ui.comparison.compared_runs import load_compared_runs
from skin.ui.comparison.export import DOWNLOADS
from skin.ui.comparison.handlers import (
    NOT_ENOUGH,
    PINNED,
    choose_runs,
    disagreement_choices,
    make_file,
    pin,
    show_classes,
    show_disagreements,
    show_opened_run,
    show_settings,
    show_verdict,
)
from skin.ui.components import downloads
from skin.ui.components.context import AppContext, current_tab
from skin.ui.components.events import PRIVATE_EVENT, with_gradio_errors
from skin.ui.components.gallery import GALLERY
from skin.ui.components.keyed_state import KeyedState
from skin.ui.components.notices import status_line
from skin.ui.components.open_datasets import OpenDatasets

MAX_RUNS = len(plots.RUN_STYLES)

RUNS, EXPERIMENTS = "runs", "experiments"

SECRET = "skin-lesion-lab"
"""Gradio keeps a browser's state encrypted; without a fixed word nothing is readable after a restart. No name of a run is secret."""


def build(context: AppContext) -> None:
    """Lay out and wire the tab."""
    with gr.Tabs() as tabs:
        with gr.Tab("Run against run", id=RUNS):
            _build_runs(context)
        with gr.Tab("Experiments", id=EXPERIMENTS) as experiments:
            experiment_layout.build(context, experiments)
    context.opened_experiment.change(_show_opened, context.opened_experiment, tabs, **PRIVATE_EVENT)
    # Before the tabs were first drawn, Gradio's page may have lost which of them was selected.
    current_tab(context).select(_show_experiments, context.opened_experiment, tabs, **PRIVATE_EVENT)


def _show_opened(opened_experiment: str) -> gr.Tabs:
    return gr.Tabs(selected=EXPERIMENTS if opened_experiment else RUNS)


def _show_experiments(opened_experiment: str) -> Any:
    return gr.Tabs(selected=EXPERIMENTS) if opened_experiment else gr.skip()


def _build_runs(context: AppContext) -> None:
    workspace = context.workspace
    runs = gr.Dropdown([], value=[], multiselect=True, max_choices=MAX_RUNS, label="Runs", info=NOT_ENOUGH)
    pinned = gr.BrowserState([], storage_key="baseline", secret=SECRET)
    keep = gr.Checkbox(info=PINNED, visible=False, elem_id="keep-baseline")
    notice = gr.HTML(status_line(NOT_ENOUGH), elem_classes="report")
    state = KeyedState(gr.State(None), lru_cache(maxsize=4)(partial(load_compared_runs, workspace)))
    with gr.Column(visible=False) as content:
        _build_verdict(state)
        state.on_change(show_settings, [gr.HTML(elem_classes="report")])
        _build_classes(state)
        _build_disagreements(state, context.open_datasets)
    choosing = {
        "fn": with_gradio_errors(partial(choose_runs, workspace)),
        "inputs": [runs, context.opened_run, pinned],
        "outputs": [runs, state.key, notice, content, keep],
        **PRIVATE_EVENT,
    }
    gr.on([current_tab(context).select, runs.input], **choosing)
    keep.input(pin, [keep, runs], pinned, **PRIVATE_EVENT).then(**choosing)
    context.opened_run.change(partial(show_opened_run, workspace), context.opened_run, runs, **PRIVATE_EVENT).then(
        **choosing
    )


def _build_verdict(state: KeyedState) -> None:
    verdict = gr.HTML(elem_classes="report", elem_id="verdict-of-comparison")
    downloads.download_buttons(state, DOWNLOADS, make_file, "comparison")
    figure = gr.Plot(label="Differences with their intervals", show_label=False)
    table, classes = gr.HTML(elem_classes="report"), gr.HTML(elem_classes="report")
    state.on_change(show_verdict, [verdict, figure, table, classes])


def _build_classes(state: KeyedState) -> None:
    scores = gr.Plot(label="F1 of each diagnosis by run", show_label=False)
    scores_table, matrices = gr.HTML(elem_classes="report"), gr.HTML(elem_classes="report")
    histories = gr.Plot(label="Validation loss and accuracy by epoch and run", show_label=False)
    histories_table = gr.HTML(elem_classes="report")
    state.on_change(show_classes, [scores, scores_table, matrices, histories, histories_table])


def _build_disagreements(state: KeyedState, open_datasets: OpenDatasets) -> None:
    gr.Markdown("## Where they disagree")
    whose = gr.Radio([], label="Test images where")
    heading = gr.HTML(elem_classes="report")
    gallery = gr.Gallery(**GALLERY)
    state.on_change(disagreement_choices, [whose])
    state.on_change(partial(show_disagreements, open_datasets), [heading, gallery], [whose], whose.change)
