"""Buttons for files that are made when they are asked for, and saved by the browser as soon as they are there."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import gradio as gr

from skin.ui.components.keyed_state import KeyedState
from skin.ui.gradio_internals import Listener


def hidden_download(name: str) -> gr.DownloadButton:
    """The button behind which a file is put when it was made: nobody sees it, `save_when_made` presses it."""
    return gr.DownloadButton(elem_id=f"made-{name}", elem_classes="made-file")


def save_when_made(making: Listener, hidden: gr.DownloadButton) -> None:
    """Have the browser save the file once `making` has put it behind the button."""
    # A moment later, because its link must have reached the page.
    press = f"() => setTimeout(() => document.querySelector('#{hidden.elem_id}')?.click(), 100)"
    making.success(None, js=press, api_visibility="private")


def download_buttons(state: KeyedState, kinds: Iterable[str], make_file: Callable[[str, Any], str], name: str) -> None:
    """A row of buttons, one for each kind of file that `make_file(kind, what is shown)` gives the path of."""
    hidden = hidden_download(name)
    with gr.Row():
        for kind in kinds:
            button = gr.Button(f"Download: {kind}", size="sm", min_width=160)
            making = {**state.listener(partial(make_file, kind), [hidden]), "trigger_mode": "once"}  # not a second file
            save_when_made(button.click(**making), hidden)
