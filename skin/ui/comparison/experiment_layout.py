"""The experiments of the Comparison tab: their components, and what wires them to the handlers."""

from functools import lru_cache, partial

import gradio as gr

from skin.ui.comparison.experiment_contents import MAX_FIGURES
from skin.ui.comparison.experiment_export import DOWNLOADS
from skin.ui.comparison.experiment_handlers import (
    choose_experiment,
    load_results,
    make_file,
    show_opened_experiment,
    show_results,
)
from skin.ui.components import downloads
from skin.ui.components.context import AppContext
from skin.ui.components.events import PRIVATE_EVENT, with_gradio_errors
from skin.ui.components.keyed_state import KeyedState


def build(context: AppContext, tab: gr.Tab) -> None:
    """Lay out and wire the experiments; they are read when the tab is selected, at first the one that a link opened."""
    workspace = context.workspace
    chosen = gr.Dropdown([], label="Experiment", info="What its runs say together.")
    notice = gr.HTML(elem_classes="report")
    state = KeyedState(gr.State(None), lru_cache(maxsize=4)(partial(load_results, workspace)))
    with gr.Column(visible=False) as content:
        verdict = gr.HTML(elem_classes="report", elem_id="verdict-of-experiment", min_height=120)
        downloads.download_buttons(state, DOWNLOADS, make_file, "experiment")
        figures = [
            gr.Plot(label=f"Figure {number} of the experiment", show_label=False, visible=False)
            for number in range(1, MAX_FIGURES + 1)
        ]
        sections = gr.HTML(elem_classes="report")
    shown = [verdict, *figures, sections]
    listener = {**state.listener(show_results, shown), "show_progress": "full", "show_progress_on": verdict}
    gr.on([state.key.change], **listener)
    choosing = {
        "fn": with_gradio_errors(partial(choose_experiment, workspace)),
        "inputs": [chosen, context.opened_experiment],
        "outputs": [chosen, state.key, notice, content],
        **PRIVATE_EVENT,
    }
    gr.on([tab.select, chosen.input], **choosing)
    context.opened_experiment.change(
        partial(show_opened_experiment, workspace), context.opened_experiment, chosen, **PRIVATE_EVENT
    ).then(**choosing)
