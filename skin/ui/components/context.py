"""The parts of the page that the shell hands to every tab."""

import functools
from dataclasses import dataclass

import gradio as gr

from skin.ui.components.open_datasets import OpenDatasets
from skin.ui.gradio_internals import last_tab
from skin.workspace import Workspace

RUN_LOCALLY = "On your own machine you can: python app.py."
"""Said wherever a read-only page refuses something."""


@dataclass(frozen=True)
class AppContext:
    """The parts that every tab's `build` is handed.

    `blocks.load` is what happens when a browser opens the page; `tabs` is selected with `gr.Tabs(selected=key)`;
    `opened_run` holds the name of the run that was last opened from another tab, "" for none; `timer` is the only one;
    `opened_experiment` holds the name of the experiment that a link opened, "" for none;
    `sent_image` holds the SentImage that is on its way to the Predict tab.
    """

    workspace: Workspace
    read_only: bool
    blocks: gr.Blocks
    tabs: gr.Tabs
    opened_run: gr.State
    opened_experiment: gr.State
    timer: gr.Timer
    sent_image: gr.State

    @functools.cached_property
    def open_datasets(self) -> OpenDatasets:
        """The data sets that are open, shared by all tabs."""
        return OpenDatasets(self.workspace)


def current_tab(context: AppContext) -> gr.Tab:
    """The tab whose `build` was called; its `select` also tells of a link that leads to it."""
    return last_tab(context.tabs)
