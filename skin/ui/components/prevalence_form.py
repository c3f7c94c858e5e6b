"""The form of a prevalence: a row of PREVALENCES, or shares that are typed in."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gradio as gr

from skin.evaluation.prevalence import PREVALENCES, UNCHANGED
from skin.ui.components.events import PRIVATE_EVENT, with_gradio_errors

TYPED = "typed"
"""In the place of a row of PREVALENCES: shares that are typed in."""


def build(
    unchanged: str, info: str, names: Sequence[str], first_shares: Callable[[Any], str], subject: Any
) -> gr.State:
    """Lay out and wire the form; returns the state of what `parse_prevalence` reads.

    `unchanged` says in words what no prevalence is, `names` are the rows of PREVALENCES to choose from, and `first_shares`
    gives, by the value of `subject`, the shares that stand there to be typed over.
    """
    choices = [(unchanged, UNCHANGED), *((PREVALENCES[name].label, name) for name in names), ("Typed in", TYPED)]
    named = gr.Dropdown(choices, value=UNCHANGED, label="Prevalence", info=info)
    shares = gr.Textbox("", visible=False, label="Share of each diagnosis", max_length=4000, lines=3)
    told = gr.State(UNCHANGED)
    showing = with_gradio_errors(partial(show_shares, first_shares))
    telling: dict[str, Any] = {"fn": tell, "inputs": [named, shares], "outputs": told, **PRIVATE_EVENT}
    named.input(showing, [subject, named, shares], shares, **PRIVATE_EVENT).then(**telling)
    gr.on([shares.blur, shares.submit], **telling)
    return told


def show_shares(first_shares: Callable[[Any], str], subject: object, named: str, shares: str) -> Any:
    """The text field where shares are typed in, with those to begin with. Raises UserError when these cannot be had."""
    if named != TYPED or shares.strip():
        return gr.Textbox(visible=named == TYPED)
    return gr.Textbox(first_shares(subject), visible=True)


def tell(named: str, shares: str) -> str:
    """The prevalence as `parse_prevalence` reads it."""
    return shares if named == TYPED else named
