"""Access to the app: its visitors, and the names that it answers under."""

import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from skin.errors import UsageError, UserError

OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")
"""Names of this machine that no name server can give to another's page."""

SHARED_NAMES = "*.gradio.live"
"""The names of links of `--share`; Gradio alone gives them away."""

FRAMES = "'self'"
FRAMES_OF_A_SPACE = "'self' https://huggingface.co https://*.hf.space"

PRIVATE_NETWORKS = "127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"
"""The networks of the proxies in front of a Space; what they say of who is calling is believed."""


@dataclass(frozen=True)
class Access:
    """The visitors' rights, the login that is asked of them, the names of the app, and the pages that may frame it."""

    read_only: bool
    login: tuple[str, str] | None
    hosts: tuple[str, ...] = OWN_NAMES
    frames: str = FRAMES


def access_of(read_only: bool, share: bool, environ: Mapping[str, str], host: str | None = None) -> Access:
    """The access that the flags and the environment give.

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


def client_of(scope: Mapping[str, Any]) -> str:
    """The address that a request (its ASGI scope) comes from, "" where there is none (a local socket)."""
    return str(scope["client"][0]) if scope.get("client") else ""


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
