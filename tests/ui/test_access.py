import socket

import pytest

from skin.errors import UsageError, UserError
from skin.ui.access import access_of, check_address

OPEN = {"SKIN_ALLOW_TRAINING": "1", "SKIN_AUTH": "me:secret:word"}
SPACE = {"SPACE_ID": "me/space"}


@pytest.mark.parametrize(
    ("flags", "environ", "expected"),
    [
        ((False, False), {}, (False, None)),
        ((True, False), {}, (True, None)),
        ((False, True), {}, (True, None)),
        ((False, True), OPEN, (False, ("me", "secret:word"))),
        ((False, False), SPACE, (True, None)),
        ((False, False), {**SPACE, "SKIN_ALLOW_TRAINING": "1"}, (True, None)),
        ((False, False), {**SPACE, "SKIN_AUTH": "a:b"}, (True, ("a", "b"))),
        ((False, False), {**SPACE, **OPEN}, (False, ("me", "secret:word"))),
        ((True, False), {**SPACE, **OPEN}, (True, ("me", "secret:word"))),
    ],
)
def test_who_may_change_something(
    flags: tuple[bool, bool], environ: dict[str, str], expected: tuple[bool, tuple[str, str] | None]
) -> None:
    access = access_of(*flags, environ)
    assert (access.read_only, access.login) == expected


@pytest.mark.parametrize("login", ["me", "me:", ":secret"])
def test_half_a_login_is_refused(login: str) -> None:
    with pytest.raises(UsageError, match="user:password"):
        access_of(False, False, {"SKIN_AUTH": login})


@pytest.mark.parametrize(
    ("host", "environ", "read_only"),
    [
        ("0.0.0.0", {}, True),
        ("::", {}, True),
        ("192.168.1.7", {}, True),
        ("laboratory.example", {}, True),
        (None, {"GRADIO_SERVER_NAME": "0.0.0.0"}, True),
        ("0.0.0.0", {"SKIN_AUTH": "a:b"}, False),
        ("127.0.0.1", {}, False),
        ("127.0.0.7", {}, False),
        ("::1", {}, False),
        ("[::1]", {}, False),
        ("localhost", {"GRADIO_SERVER_NAME": "0.0.0.0"}, False),
    ],
)
def test_an_app_that_others_reach_is_read_only_without_a_login(
    host: str | None, environ: dict[str, str], read_only: bool
) -> None:
    access = access_of(False, False, environ, host)
    assert access.read_only is read_only


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "nobody.invalid"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(UserError, match=f"cannot listen on {host}"):
        check_address(host, None)


@pytest.mark.parametrize("host", [None, "127.0.0.1", "localhost", "0.0.0.0"])
def test_a_port_in_use_is_refused_and_a_free_one_is_not(host: str | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} .address already in use."):
            check_address(host, port)
    check_address(host, port)
