"""Files that are made when they are asked for, and saved by the browser as soon as they are there."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import gradio as gr
from gradio.events import Dependency

from skin.ui.view import View


def made_file(name: str) -> gr.DownloadButton:
    """The button behind which a file is put when it was made: nobody sees it, `save` presses it."""
    return gr.DownloadButton(elem_id=f"made-{name}", elem_classes="made-file")


def save(making: Dependency, made: gr.DownloadButton) -> None:
    """Have the browser save the file once `making` has put it behind the button."""
    # A moment later, because its link must have reached the page.
    press = f"() => setTimeout(() => document.querySelector('#{made.elem_id}')?.click(), 100)"
    making.success(None, js=press, api_visibility="private")


def offer(view: View, kinds: Iterable[str], make_file: Callable[[str, Any], str], name: str) -> None:
    """A row of buttons, one for each kind of file that `make_file(kind, what is shown)` gives the path of."""
    made = made_file(name)
    with gr.Row():
        for kind in kinds:
            button = gr.Button(f"Download: {kind}", size="sm", min_width=160)
            save(button.click(**view.call(partial(make_file, kind), [made])), made)
