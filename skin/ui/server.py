"""Who may reach the app, under which names, and how often they may try a password.

What is known here of Gradio was read in 6.31 (`Blocks.launch`, `routes.App.create_app`): middleware that is handed to
`launch(app_kwargs=…)` runs inside Gradio's own, `POST /login` is the one route that takes a password, and the page of
the login reloads on 200, says that the password is wrong on 400 and is silent on anything else.
"""

import hmac
import ipaddress
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skin.errors import UsageError, UserError

OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")
"""Names of this machine that no name server can give to another's page."""

SHARED_NAMES = "*.gradio.live"
"""Where a link of `--share` leads; Gradio alone gives these names away."""

FRAMES = "'self'"
FRAMES_OF_A_SPACE = "'self' https://huggingface.co https://*.hf.space"

PRIVATE_NETWORKS = "127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"
"""Where the proxies in front of a Space are; what they say of who is calling is believed."""

LOGIN_SECONDS = 600
LOGINS_OF_A_CLIENT = 10
LOGINS_IN_ALL = 100
"""Failed logins within LOGIN_SECONDS, after which no password is looked at."""

TOO_MANY_LOGINS = f"Too many wrong passwords: wait {LOGIN_SECONDS // 60} minutes, then try again."


@dataclass(frozen=True)
class Access:
    """Whether visitors may only look, the login that is asked of them, the names of the app, and who may frame it."""

    read_only: bool
    login: tuple[str, str] | None
    hosts: tuple[str, ...] = OWN_NAMES
    frames: str = FRAMES


def access(read_only: bool, share: bool, environ: Mapping[str, str], host: str | None = None) -> Access:
    """Who may do what, from the flags and the environment.

    A Space is read-only unless its owner sets SKIN_ALLOW_TRAINING=1 and SKIN_AUTH=user:password; a shared link and an
    app on an address that others reach are read-only unless SKIN_AUTH is set. An app that only this machine reaches
    answers only under this machine's names, as a foreign name means that another's page was led here (DNS rebinding).
    Raises UsageError when SKIN_AUTH has another form.
    """
    login = _login(environ.get("SKIN_AUTH", ""))
    address = host or environ.get("GRADIO_SERVER_NAME") or OWN_NAMES[0]  # in the order in which Gradio looks
    is_space, is_local = "SPACE_ID" in environ, _is_loopback(address)
    closed_space = is_space and not (login and environ.get("SKIN_ALLOW_TRAINING") == "1")
    closed = closed_space or (login is None and (share or not is_local))
    names = (*OWN_NAMES, address, *([SHARED_NAMES] if share else []))
    return Access(
        read_only or closed,
        login,
        names if is_local and not is_space else ("*",),
        FRAMES_OF_A_SPACE if is_space else FRAMES,
    )


def _login(text: str) -> tuple[str, str] | None:
    if not text:
        return None
    user, _, password = text.partition(":")
    if not user or not password:
        raise UsageError("SKIN_AUTH must have the form user:password.")
    return user, password


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def port_of(text: str) -> int:
    """The port that is written there. Raises UsageError where there can be none of that number."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise UsageError("--port must be a whole number from 1 to 65535.")
    return int(text)


def check_address(host: str | None, port: int | None) -> None:
    """Raises UserError when nothing can listen there, before the page is built for it."""
    for address in dict.fromkeys((host or OWN_NAMES[1], OWN_NAMES[1])):  # Gradio tries 127.0.0.1, whatever it is given
        try:
            with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address.strip("[]"), port or 0))
        except OSError as error:
            at = address if port is None else f"{address}, port {port}"
            cause = str(error.strerror).lower()
            raise UserError(f"The app cannot listen on {at} ({cause}): choose another --port or --host.") from error


def trust_proxies_of_a_space() -> None:
    """Have the server (uvicorn) see who calls a Space, not the proxy that passes the call on."""
    if "SPACE_ID" in os.environ:
        os.environ.setdefault("FORWARDED_ALLOW_IPS", PRIVATE_NETWORKS)


def settings(access: Access) -> dict[str, Any]:
    """What `Blocks.launch` is given so that the app is reached as `access` says."""
    headers = {
        "content-security-policy": f"frame-ancestors {access.frames}",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",  # addresses name runs
    }
    middleware = [
        Middleware(_Headers, headers=headers),
        Middleware(TrustedHostMiddleware, allowed_hosts=access.hosts, www_redirect=False),
        Middleware(_LoginThrottle),
    ]
    return {
        "auth": _checker(access.login) if access.login else None,
        "auth_message": f"After {LOGINS_OF_A_CLIENT} wrong passwords, wait {LOGIN_SECONDS // 60} minutes.",  # else silent
        "app_kwargs": {"middleware": middleware},
    }


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
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].rstrip("/") != "/login":
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


def client_of(scope: Scope) -> str:
    """The address that is calling, "" where there is none (a local socket)."""
    return str(scope["client"][0]) if scope.get("client") else ""
