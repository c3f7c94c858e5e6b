"""A state whose key says what is shown, and the listeners that load it by that key."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from skin.ui.components.events import PRIVATE_EVENT, with_gradio_errors


@dataclass(frozen=True)
class KeyedState:
    """The state that says what is shown (None for nothing), and how that is loaded."""

    key: gr.State
    load: Callable[[Any], Any]

    def on_change(
        self, handler: Callable[..., Any], outputs: Sequence[Any], inputs: Sequence[Any] = (), *triggers: Any
    ) -> None:
        """Call `handler(what is shown, *inputs)` whenever that changes, or one of the triggers fires."""
        gr.on([self.key.change, *triggers], **self.listener(handler, outputs, inputs))

    def listener(
        self, handler: Callable[..., Any], outputs: Sequence[Any], inputs: Sequence[Any] = ()
    ) -> dict[str, Any]:
        """The settings of a listener that calls `handler(what is shown, *inputs)`."""
        called = with_gradio_errors(partial(_load_and_handle, self.load, handler))
        return {"fn": called, "inputs": [self.key, *inputs], "outputs": list(outputs), **PRIVATE_EVENT}


def _load_and_handle(load: Callable[[Any], Any], handler: Callable[..., Any], key: Any, *values: Any) -> Any:
    return gr.skip() if key is None else handler(load(key), *values)
