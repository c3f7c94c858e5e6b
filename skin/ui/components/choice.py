"""A list to choose from, offered anew while somebody may be choosing."""

from collections.abc import Sequence
from typing import Any

import gradio as gr


def offer(choices: Sequence[str | tuple[str, str]], value: Any, shown: Any, **settings: Any) -> gr.Dropdown:
    """The choices, with this value chosen. `shown` is the value that the page had when it asked.

    A value that the page has is not sent: it may have been told of a newer one since, which would be lost.
    """
    return gr.Dropdown(choices, **settings) if value == shown else gr.Dropdown(choices, value=value, **settings)
