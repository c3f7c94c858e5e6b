"""How the sections of a page follow what it shows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import gradio as gr

from skin.ui.page import Page, spoken

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": 4}
"""Of a listener that answers at once and is no part of the documented API."""


@dataclass(frozen=True)
class View:
    """The state that says what is shown (None for nothing), and how that is loaded."""

    shown: gr.State
    load: Callable[[Any], Any]

    def follow(
        self, handler: Callable[..., Any], outputs: Sequence[Any], inputs: Sequence[Any] = (), *triggers: Any
    ) -> None:
        """Call `handler(what is shown, *inputs)` whenever that changes, or one of the triggers fires."""
        gr.on([self.shown.change, *triggers], **self.call(handler, outputs, inputs))

    def call(self, handler: Callable[..., Any], outputs: Sequence[Any], inputs: Sequence[Any] = ()) -> dict[str, Any]:
        """What a listener needs to call `handler(what is shown, *inputs)`."""
        called = spoken(partial(_with_shown, self.load, handler))
        return {"fn": called, "inputs": [self.shown, *inputs], "outputs": list(outputs), **QUIET}


def _with_shown(load: Callable[[Any], Any], handler: Callable[..., Any], shown: Any, *values: Any) -> Any:
    return gr.skip() if shown is None else handler(load(shown), *values)


def tab_being_built(page: Page) -> gr.Tab:
    """The tab whose `build` was called; its `select` also tells of a link that leads to it."""
    return cast("gr.Tab", page.tabs.children[-1])
