"""The inner parts of Gradio that the app needs beside the documented ones: no other module imports or touches any.

Each was read in the source of Gradio 6.31, and may be another in the next: `SEEN_IN` is compared with what is installed.

- `events.Dependency`: the type of what an event listener returns, which `gradio` itself does not offer.
- `utils.get_upload_folder`, `processing_utils.save_bytes_to_cache`: Gradio serves a file to the browser from its folder of
  uploads alone, which GRADIO_TEMP_DIR names.
- `blocks.children`: a tab that is being laid out cannot be had otherwise by what it is laid out of.
- `events.api` gives the types of parameters alone to the API page, so that the rest is added to the components it makes.
- `queueing.Queue`: `push` takes in every call, and what it refuses as "queue_full" or "error" is answered with 503 or 400
  and a `detail`; a call without an optional argument fails without a word in what follows; `get_events` picks what is
  worked on next; `pending_…` keep what a session has yet to be sent. `Blocks.api_open` is the way past it.
- `state_holder.SessionState`: a session keeps a configuration of every component, some 400 kB in this app.
- `Blocks.postprocess_data`: sends the page a None for each State. It knows no value of a State, takes the first None for a
  change and tells of it beside the server. Where two listeners of an event are both told twice, the page calls them by turns
  without end: a call that came while one was at work is made up for by telling all of them again.
- `Dependency.progress_targets`, in the page: all outputs of a listener, but for its `show_progress_on`. At every step of any
  listener the page tells all that were ever targets, each found by a walk through all components.
- `routes`: `POST /login` is the one route that takes a password; its page reloads on 200, says that the password is wrong on
  400 and is silent on anything else. Middleware and a lifespan that `launch(app_kwargs=…)` is given run inside Gradio's own.
- `route_utils.GradioMultiPartParser`: deletes the files of an upload on a MultiPartException, and on nothing else.
- `route_utils.delete_files_created_by_app`: deletes files of this process alone, and forgets only those it finds.
"""

import contextlib
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any, cast

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.context import get_blocks_context
from gradio.events import Dependency, api
from gradio.processing_utils import save_bytes_to_cache
from gradio.queueing import Event, Queue
from gradio.server_messages import ProcessCompletedMessage
from gradio.utils import get_upload_folder
from starlette.datastructures import QueryParams
from starlette.types import ASGIApp, Receive, Scope, Send

from skin.errors import UsageError
from skin.ui.access import client_of

Listener = Dependency
"""The value of an event's registration, to be followed by `then` or `success`."""

SEEN_IN = "6.31"
"""The version of Gradio that all this was read in."""

LOGIN_ROUTE = "/login"
UPLOAD_ROUTE = "/upload"

UNUSED_ROUTES = ("/component_server", "/deep_link", "/file=http", "/process_recording")
"""Beginnings of the routes that the app does not use, and that read, write or fetch much for whoever asks."""


def route(scope: Scope) -> str:
    """The route of a request without Gradio's prefix."""
    return str(scope["path"]).removeprefix("/gradio_api").rstrip("/")


def keep_uploads_in(folder: Path) -> None:
    """Have Gradio keep uploads in this folder."""
    os.environ["GRADIO_TEMP_DIR"] = str(folder)


def upload_folder() -> Path:
    """The folder of uploads, the one that files are served from."""
    return Path(get_upload_folder())


def save_for_browser(content: bytes, name: str) -> str:
    """Path of a file that the browser may fetch under this name; the same content is kept once."""
    return cast("str", save_bytes_to_cache(content, name, get_upload_folder()))


def last_tab(tabs: gr.Tabs) -> gr.Tab:
    """The tab that is being laid out."""
    return cast("gr.Tab", tabs.children[-1])


HIDDEN_PROGRESS: dict[str, Any] = {"show_progress": "hidden", "show_progress_on": []}
"""Settings of a listener whose progress nothing shows, and the page does not keep."""


def tell_changes_once(blocks: gr.Blocks) -> None:
    """Have the first change of a State be told by the server alone, as all later ones are, not by the page, too."""
    blocks.postprocess_data = partial(_without_states, blocks.postprocess_data)  # type: ignore[method-assign]


async def _without_states(
    postprocess: Callable[..., Awaitable[list[Any]]], function: BlockFunction, *results: Any
) -> list[Any]:
    values = await postprocess(function, *results)
    return [gr.skip() if block.stateful else value for block, value in zip(function.outputs, values, strict=True)]


GRADIOS_EXAMPLE = object()
"""In the place of an example: the one that Gradio makes up by the type."""


@dataclass(frozen=True)
class ApiParameter:
    """A parameter as the API page tells it; it has `values` where it takes no others."""

    description: str
    values: tuple[str, ...] = ()
    example: object = GRADIOS_EXAMPLE


def publish(
    function: Callable[..., Any], description: str, parameters: Mapping[str, ApiParameter], **event: Any
) -> None:
    """Offer a function under its own name as an endpoint of the `gr.Blocks` around it."""
    endpoint = api(function, api_name=function.__name__, api_description=description, **event)
    page: Any = get_blocks_context()
    for name, number in zip(signature(function).parameters, endpoint["inputs"], strict=True):
        component, told = page.blocks[number], parameters[name]
        component.label = name
        component.api_info()["additional_description"] = told.description
        if told.values:
            component.api_info()["enum"] = list(told.values)
        if told.example is not GRADIOS_EXAMPLE:
            component.example_payload = partial(_same, told.example)


def _same(example: object) -> object:
    return example


@dataclass(frozen=True)
class Call:
    """A call to the app: its kind, which is its concurrency id, and the address of its client."""

    kind: str
    client: str


@dataclass(frozen=True)
class QueueRules:
    """Limits of the queue.

    `refusal` gives the sentence that refuses a call, by those waiting already, "" for one that is taken in; `drop` gives
    the sentence that ends one whose answer nobody has asked for in so many seconds, "" while it may stay.
    """

    refusal: Callable[[Call, Sequence[Call]], str]
    drop: Callable[[float], str]


def bound_queue(blocks: gr.Blocks, rules: QueueRules) -> None:
    """Leave the queue as the one way to the app, and have it keep to the rules."""
    blocks.api_open = False
    blocks._queue = _BoundedQueue(blocks, rules)


class _BoundedQueue(Queue):
    """Gradio's queue, which refuses what is too much, drops what nobody waits for and keeps nothing that was sent."""

    def __init__(self, blocks: gr.Blocks, rules: QueueRules) -> None:
        super().__init__(True, blocks.max_threads, 1, None, blocks)
        self.rules = rules
        self.listeners: Counter[str] = Counter()
        self.ANALYTICS_MAX_EVENTS = 1

    def compute_analytics_summary(self, _: object) -> dict[str, Any]:
        """None: after every call Gradio makes a table of the last 10,000, which nobody may see."""
        return dict(self.cached_event_analytics_summary)

    async def push(self, body: Any, request: Any, username: str | None) -> Any:
        fn = self.blocks.fns.get(body.fn_index)
        if fn and (refusal := self.rules.refusal(Call(fn.concurrency_id, client_of(request.scope)), self._waiting())):
            return False, refusal, "queue_full"
        try:
            if fn:
                body.data += _defaults(fn, len(body.data))
        except UsageError as error:
            return False, str(error), "error"
        return await super().push(body, request, username)

    def _waiting(self) -> list[Call]:
        events = [event for queue in self.event_queue_per_concurrency_id.values() for event in queue.queue]
        return [Call(event.concurrency_id, client_of(event.request.scope)) for event in events]

    def get_events(self) -> Any:
        for queue in self.event_queue_per_concurrency_id.values():
            for event in list(queue.queue):
                if not self._is_heard(event) and (reason := self.rules.drop(time.monotonic() - event.enqueue_time)):
                    queue.queue.remove(event)
                    self.event_ids_to_events.pop(event._id, None)
                    self.pending_event_ids_session.get(event.session_hash, set()).discard(event._id)
                    self.send_message(event, ProcessCompletedMessage(output={"error": reason}, success=False))
        return super().get_events()

    def _is_heard(self, event: Event) -> bool:
        return event.session_hash in self.listeners or event._id in self.listeners

    @contextlib.contextmanager
    def listening(self, event_id: str | None, session: str) -> Iterator[None]:
        """While somebody is listening to a session, or to one event.

        A session that was made for one call is forgotten afterwards. That of a page keeps its place for messages, because
        the page may listen anew after the last answer was sent, and would be told that the connection is lost; Gradio
        keeps at most 2,000 of these.
        """
        names = {event_id or session, session}
        self.listeners.update(names)
        try:
            yield
        finally:
            self.listeners -= Counter(names)  # drops those at none
            if session == event_id and not self.pending_event_ids_session.get(session):
                self.pending_event_ids_session.pop(session, None)
                self.pending_messages_per_session.pop(session, None)
                self.blocks.state_holder.session_data.pop(session, None)
                self.blocks.state_holder.time_last_used.pop(session, None)

    def session_of(self, event_id: str) -> str:
        """The session that an event belongs to, which is the event itself where the caller named none."""
        sessions = (session for session, ids in self.pending_event_ids_session.items() if event_id in ids)
        return next(sessions, event_id)


def _defaults(fn: BlockFunction, n_given: int) -> list[Any]:
    """Values of the arguments that a call left out. Raises UsageError where one of them must be given."""
    left_out = list(signature(fn.fn).parameters.values())[n_given : len(fn.inputs)] if fn.fn else []
    missing = [parameter.name for parameter in left_out if parameter.default is parameter.empty]
    if missing:
        raise UsageError(f"The call lacks a value of {' and of '.join(missing)}.")
    return [parameter.default for parameter in left_out]


class Listening:
    """Middleware that tells the queue of `bound_queue` who listens for answers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._listening(scope):
            await self.app(scope, receive, send)

    def _listening(self, scope: Scope) -> contextlib.AbstractContextManager[None]:
        if scope["type"] != "http" or scope["method"] != "GET":
            return contextlib.nullcontext()
        queue: _BoundedQueue = scope["app"].get_blocks()._queue
        if route(scope) == "/queue/data":
            return queue.listening(None, QueryParams(scope["query_string"]).get("session_hash", ""))
        if route(scope).startswith("/call/"):
            event_id = route(scope).rpartition("/")[2]
            return queue.listening(event_id, queue.session_of(event_id))
        return contextlib.nullcontext()
