"""Settings of event listeners, and the errors and addresses that handlers share."""

import functools
import html
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from skin.errors import UserError
from skin.ui.gradio_internals import HIDDEN_PROGRESS

_KEEP_RUN_IN_ADDRESS = """(run) => {
    window.shownRuns = { ...window.shownRuns, %s: run };
    const url = new URL(window.location);
    if (!window.followedLink || url.searchParams.get("tab") !== "%s") return;
    run ? url.searchParams.set("run", run) : url.searchParams.delete("run");
    window.history.replaceState(null, "", url);
}"""


def keep_run_in_address(tab: str) -> str:
    """The script of a listener that keeps the run which the tab shows, "" for none in particular, in the address."""
    return _KEEP_RUN_IN_ADDRESS % (tab, tab)


Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def with_gradio_errors(handler: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """The handler, except that the page shows the sentence of a UserError."""

    @functools.wraps(handler)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return handler(*args, **kwargs)
        except UserError as error:
            raise gr.Error(html.escape(str(error), quote=False), print_exception=False) from None

    return wrapped


PRIVATE_EVENT: dict[str, Any] = {
    "api_visibility": "private",
    "concurrency_limit": 4,
    "trigger_mode": "always_last",
    **HIDDEN_PROGRESS,
}
"""Settings of a listener that answers at once and is no part of the documented API.

What happens while it is at work is made up for: Gradio's default for all but `change` would drop it, and the page would go on
showing what was chosen before.
"""

CLICKED_EVENT: dict[str, Any] = {**PRIVATE_EVENT, "trigger_mode": "multiple"}
"""Settings of such a listener that is told what was clicked, which Gradio forgets of an event that is made up for."""
