"""Gradio's inner parts are reached from one module."""

import ast
import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from skin.ui import gradio_internals
from skin.workspace import PROJECT

MODULES = [path for path in PROJECT.glob("skin/**/*.py") if path.name != "gradio_internals.py"]


def inner_parts(source: str) -> Iterator[str]:
    """Imports of Gradio's modules, and private attributes of what is not the object's own."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gradio."):
            yield f"from {node.module} import …"
        elif isinstance(node, ast.Import):
            yield from (f"import {alias.name}" for alias in node.names if alias.name.startswith("gradio."))
        elif isinstance(node, ast.Attribute):
            yield from _reached(node)


def _reached(node: ast.Attribute) -> Iterator[str]:
    text = ast.unparse(node)
    if re.fullmatch(r"gr\.(?!themes)[a-z_]+\.\w+", text) or re.match(r"gr\.\w*\._", text):
        yield text
    if re.search(r"\b(blocks|page|tabs|queue|fn|component)\._?(_queue|api_open|fns|children|state_holder)$", text):
        yield text


@pytest.mark.parametrize(
    "source",
    [
        "from gradio.queueing import Queue",
        "import gradio.utils",
        "gr.processing_utils.save_bytes_to_cache(b'', 'a')",
        "blocks._queue = 1",
        "context.tabs.children[-1]",
    ],
)
def test_inner_parts_are_found(source: str) -> None:
    assert list(inner_parts(source))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_other_module_reaches_into_gradio(path: Path) -> None:
    assert list(inner_parts(path.read_text())) == []


def test_it_was_read_in_the_version_that_is_installed() -> None:
    assert gr.__version__.startswith(f"{gradio_internals.SEEN_IN}."), (
        "read again what skin/ui/gradio_internals.py says of Gradio, then set SEEN_IN"
    )


def test_the_page_is_sent_no_value_of_a_state() -> None:
    with gr.Blocks() as blocks:
        box, state = gr.Textbox(), gr.State()
        box.submit(lambda text: (text, text), box, [state, box])
    gradio_internals.tell_changes_once(blocks)
    session = SessionState(blocks)
    (function,) = blocks.fns.values()

    assert asyncio.run(blocks.postprocess_data(function, ["new", "new"], session)) == [gr.skip(), "new"]
    assert session[state._id] == "new"
