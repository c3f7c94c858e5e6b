"""What the shell hands to every tab."""

import functools
import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import gradio as gr

from skin.errors import UserError
from skin.ui.selection import Shelf
from skin.workspace import Workspace

OWN_MACHINE = "On your own machine you can: python app.py."
"""Said wherever a read-only page refuses something."""

_REMEMBER_RUN = """(run) => {
    window.shownRuns = { ...window.shownRuns, %s: run };
    const url = new URL(window.location);
    if (!window.followedLink || url.searchParams.get("tab") !== "%s") return;
    run ? url.searchParams.set("run", run) : url.searchParams.delete("run");
    window.history.replaceState(null, "", url);
}"""


def remember_run(tab: str) -> str:
    """The script of a listener that keeps the run which the tab shows, "" for none in particular, in the address."""
    return _REMEMBER_RUN % (tab, tab)


Given = ParamSpec("Given")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Page:
    """What every tab's `build` is handed.

    `blocks.load` is what happens when a browser opens the page; `tabs` is selected with `gr.Tabs(selected=key)`;
    `opened` holds the name of the run that was last opened from elsewhere, "" for none; `timer` is the only one; `sent`
    holds the image that was last Sent to Predict.
    """

    workspace: Workspace
    read_only: bool
    blocks: gr.Blocks
    tabs: gr.Tabs
    opened: gr.State
    timer: gr.Timer
    sent: gr.State

    @functools.cached_property
    def shelf(self) -> Shelf:
        """The data sets that are open, shared by all tabs."""
        return Shelf(self.workspace)


def spoken(handler: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """The handler, except that the page shows the sentence of a UserError."""

    @functools.wraps(handler)
    def speaking(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        try:
            return handler(*args, **kwargs)
        except UserError as error:
            raise gr.Error(html.escape(str(error), quote=False), print_exception=False) from None

    return speaking
