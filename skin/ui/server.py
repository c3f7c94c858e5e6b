"""The server in front of the app: bounds to passwords that are tried, and to what is asked, sent and kept."""

import asyncio
import contextlib
import errno
import hmac
import shutil
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from anyio.to_thread import run_sync
from starlette.datastructures import MutableHeaders
from starlette.formparsers import MultiPartException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skin.data.image_file import MAX_BYTES
from skin.ui import uploads
from skin.ui.access import Access, client_of
from skin.ui.endpoints import BATCH_EVENT
from skin.ui.gradio_internals import (
    LOGIN_ROUTE,
    UNUSED_ROUTES,
    UPLOAD_ROUTE,
    Call,
    Listening,
    QueueRules,
    bound_queue,
    route,
)

LOGIN_SECONDS = 600
LOGINS_OF_A_CLIENT = 10
LOGINS_IN_ALL = 100
"""Failed logins within LOGIN_SECONDS, after which no password is looked at."""

TOO_MANY_LOGINS = f"Too many wrong passwords: wait {LOGIN_SECONDS // 60} minutes, then try again."

SESSIONS = 150
"""Pages and programs whose state is kept, the last ones used; an older one starts anew."""

LISTEN_SECONDS = 30
"""A call whose answer nobody has asked for within this time is dropped."""

MAX_BODY = 8_000_000
"""Bytes of any request but an upload."""

MAX_KEPT = 2_000_000_000
"""Bytes of all uploads and downloads that are kept at a time."""

SPARE_DISK = 200_000_000
"""Bytes of the disk that uploads leave to trainings."""

KEPT_SECONDS = 3600
SWEEP_SECONDS = 300
"""Uploads are deleted at this age, which is looked at so often."""

DELETE_CACHE = (SWEEP_SECONDS, KEPT_SECONDS - 2 * SWEEP_SECONDS)
"""Gradio's own deletions: how often it looks, and the age it deletes at, before we do, or it would never forget."""

PRESSED_SECONDS = 600
"""The age at which they go when there is no more room."""

BODY_TOO_LARGE = f"This request has more than {MAX_BODY // 10**6} MB: send files as uploads."
NO_ROOM = "There is no room for more uploads at the moment: try again in ten minutes."

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Limit:
    """The number of calls that may wait: of a client, which is an address, and of all."""

    of_a_client: int
    in_all: int


EVERYTHING = Limit(200, 500)
"""The limit of calls of any kind: a page that opens makes a dozen at once, and a class may share an address."""

ONE_KIND = Limit(20, 80)
"""The limit of calls of the same kind, which is one of Gradio's concurrency ids."""

KINDS = {BATCH_EVENT["concurrency_id"]: Limit(3, 12)}
"""Limits of the kinds that take minutes."""

YOURS_ARE_WAITING = "Too many of your calls are waiting already: wait for an answer, then ask again."
ALL_ARE_WAITING = "The app is busy, and too many are waiting already: try again in a minute."
NOBODY_LISTENED = "This call was dropped, as nobody asked for its answer in time: call again."


def bound(blocks: gr.Blocks) -> None:
    """Limit the calls that may wait for the app, on the one way to it that is left open: the queue."""
    bound_queue(blocks, QueueRules(_refusal, _drop))


def _refusal(call: Call, waiting: Sequence[Call]) -> str:
    alike = [other for other in waiting if other.kind == call.kind]
    for calls, limit in ((alike, KINDS.get(call.kind, ONE_KIND)), (waiting, EVERYTHING)):
        if sum(other.client == call.client for other in calls) >= limit.of_a_client:
            return YOURS_ARE_WAITING
        if len(calls) >= limit.in_all:
            return ALL_ARE_WAITING
    return ""


def _drop(seconds: float) -> str:
    return NOBODY_LISTENED if seconds > LISTEN_SECONDS else ""


def settings(access: Access, folder: Path) -> dict[str, Any]:
    """The arguments of `Blocks.launch` that give access as told, and keep `folder` of uploads small."""
    headers = {
        "content-security-policy": f"frame-ancestors {access.frames}",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",  # addresses name runs
    }
    middleware = [
        Middleware(_Headers, headers=headers),
        Middleware(TrustedHostMiddleware, allowed_hosts=access.hosts, www_redirect=False),
        Middleware(_Closed),
        Middleware(_LoginThrottle),
        Middleware(_BodyLimit, folder=folder),
        Middleware(Listening),
    ]

    @contextlib.asynccontextmanager
    async def deleting(_: object) -> AsyncIterator[None]:
        task = asyncio.create_task(_delete_old_uploads(folder))
        yield
        task.cancel()

    return {
        "auth": _checker(access.login) if access.login else None,
        "auth_message": f"After {LOGINS_OF_A_CLIENT} wrong passwords, wait {LOGIN_SECONDS // 60} minutes.",  # else silent
        "app_kwargs": {"middleware": middleware, "lifespan": deleting},
        "state_session_capacity": SESSIONS,
    }


async def _delete_old_uploads(folder: Path) -> None:
    """Delete what became too old, whichever process kept it; the first time at once."""
    while True:
        await run_sync(uploads.delete_older, folder, KEPT_SECONDS)
        await asyncio.sleep(SWEEP_SECONDS)


def _checker(login: tuple[str, str]) -> Callable[[str, str], bool]:
    """Tells whether a name and password are right, in a time that tells nothing of how nearly."""

    def is_right(user: str, password: str) -> bool:
        return hmac.compare_digest(f"{user}:{password}".encode(), ":".join(login).encode())

    return is_right


class _Headers:
    """Puts the headers on every answer that has none of that name."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self.app = app
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class _LoginThrottle:
    """Refuses logins after too many failed ones, of the client or of all."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.attempts: deque[tuple[float, str]] = deque()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or route(scope) != LOGIN_ROUTE:
            await self.app(scope, receive, send)
            return
        if self._is_exhausted(client_of(scope)):
            answer = JSONResponse({"detail": TOO_MANY_LOGINS}, 429, {"retry-after": str(LOGIN_SECONDS)})
            await answer(scope, receive, send)
            return
        attempt = (time.monotonic(), client_of(scope))
        self.attempts.append(attempt)  # before it is looked at, so that many at once count, too

        async def send_and_forgive(message: Message) -> None:
            if message.get("status") == 200 and attempt in self.attempts:
                self.attempts.remove(attempt)
            await send(message)

        await self.app(scope, receive, send_and_forgive)

    def _is_exhausted(self, client: str) -> bool:
        while self.attempts and self.attempts[0][0] < time.monotonic() - LOGIN_SECONDS:
            self.attempts.popleft()
        mine = sum(other == client for _, other in self.attempts)
        return mine >= LOGINS_OF_A_CLIENT or len(self.attempts) >= LOGINS_IN_ALL


class _Closed:
    """Answers that there is nothing on the routes of Gradio that the app does not use."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_closed = scope["type"] == "http" and route(scope).startswith(UNUSED_ROUTES)
        await (JSONResponse({"detail": "Not Found"}, 404) if is_closed else self.app)(scope, receive, send)


class _Body:
    """The body of one request, until there is no more room for it."""

    def __init__(self, receive: Receive, send: Send, is_full: Callable[["_Body"], bool]) -> None:
        self._receive, self._send, self._is_full = receive, send, is_full
        self.received = 0
        self.is_over = self.is_answered = False

    async def receive(self) -> Message:
        message = await self._receive()
        self.received += len(message.get("body", b""))
        if self._is_full(self):
            self.is_over = True
            raise MultiPartException("too much")  # so that Gradio deletes what it has written of an upload
        return message

    async def send(self, message: Message) -> None:
        if not self.is_over:
            self.is_answered = True
            await self._send(message)

    async def refuse(self, scope: Scope, answer: JSONResponse) -> None:
        await answer(scope, self._receive, self._send)


class _BodyLimit:
    """Ends requests that send more than there is room for, and says so."""

    def __init__(self, app: ASGIApp, folder: Path) -> None:
        self.app = app
        self.folder = folder
        self.arriving: set[_Body] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
        elif route(scope) == UPLOAD_ROUTE:
            room = await run_sync(self._room)
            body = _Body(receive, send, lambda _: sum(other.received for other in self.arriving) > room)
            self.arriving.add(body)
            await self._pass_on(scope, body, JSONResponse({"detail": NO_ROOM}, 507))
        else:
            body = _Body(receive, send, lambda this: this.received > MAX_BODY)
            await self._pass_on(scope, body, JSONResponse({"detail": BODY_TOO_LARGE}, 413))

    async def _pass_on(self, scope: Scope, body: _Body, refusal: JSONResponse) -> None:
        try:
            await self.app(scope, body.receive, body.send)
        except OSError as error:
            if error.errno not in _DISK_FULL or body.is_answered:
                raise
            body.is_over = True
        finally:
            self.arriving.discard(body)
        if body.is_over:
            await body.refuse(scope, refusal)

    def _room(self) -> int:
        """Bytes that may be uploaded now, after what can go has gone."""
        for age in (KEPT_SECONDS, PRESSED_SECONDS):
            if self._free() > MAX_BYTES:
                break
            uploads.delete_older(self.folder, age)
        return self._free()

    def _free(self) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        return min(MAX_KEPT - uploads.size_of(self.folder), shutil.disk_usage(self.folder).free - SPARE_DISK)
