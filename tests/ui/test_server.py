"""The app behind its own server: who may reach it, under which names, and how often they may try a password."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import httpx
import pytest

from skin.errors import UsageError, UserError
from skin.ui import server, shell
from skin.workspace import Workspace

OPEN = {"SKIN_ALLOW_TRAINING": "1", "SKIN_AUTH": "me:secret:word"}
SPACE = {"SPACE_ID": "me/space"}

Serve = Callable[[server.Access], AbstractContextManager[str]]


@pytest.fixture
def serve(bare: Workspace) -> Serve:
    """Serves the whole app; gives its address."""

    @contextlib.contextmanager
    def serve(access: server.Access) -> Iterator[str]:
        blocks = shell.build(bare, access.read_only)
        _, address, _ = blocks.launch(prevent_thread_lock=True, quiet=True, **shell.launch_settings(access))
        yield address
        blocks.close(verbose=False)

    return serve


def login(url: str, password: str, client: str = "203.0.113.1") -> httpx.Response:
    """What a login gives, as a proxy passes it on for this client."""
    fields = {"username": "me", "password": password}
    return httpx.post(f"{url}login", data=fields, headers={"x-forwarded-for": client})


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
    access = server.access(*flags, environ)
    assert (access.read_only, access.login) == expected


@pytest.mark.parametrize("login", ["me", "me:", ":secret"])
def test_half_a_login_is_refused(login: str) -> None:
    with pytest.raises(UsageError, match="user:password"):
        server.access(False, False, {"SKIN_AUTH": login})


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
    access = server.access(False, False, environ, host)
    assert access.read_only is read_only


def test_a_page_of_a_foreign_name_reaches_nothing(serve: Serve) -> None:
    with serve(server.access(False, True, OPEN)) as url:
        port = httpx.URL(url).port

        def status(host: str, path: str) -> int:
            return httpx.get(f"{url}{path}", headers={"host": host}).status_code

        for path in ("", "config", "gradio_api/info", "gradio_api/startup-events", "theme.css"):
            for foreign in ("evil.example", f"evil.example:{port}", "localhost.evil.example", "127.0.0.1.nip.io", ""):
                assert status(foreign, path) == 400
        for own in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", "abc.gradio.live"):
            assert status(own, "") == 200
        joined = httpx.post(f"{url}gradio_api/queue/join", headers={"host": "evil.example"}, json={"data": []})
        assert joined.status_code == 400


@pytest.mark.parametrize(("environ", "host"), [(SPACE, None), ({}, "0.0.0.0")])
def test_a_public_app_answers_under_any_name(serve: Serve, environ: dict[str, str], host: str | None) -> None:
    with serve(server.access(False, False, environ, host)) as url:
        assert httpx.get(url, headers={"host": "me-space.hf.space"}).status_code == 200


@pytest.mark.parametrize(
    ("environ", "frames"), [({}, "'self'"), (SPACE, "'self' https://huggingface.co https://*.hf.space")]
)
def test_no_foreign_site_frames_the_app(serve: Serve, environ: dict[str, str], frames: str) -> None:
    with serve(server.access(False, False, environ)) as url:
        for path in ("", "config", "theme.css", "nothing"):
            headers = httpx.get(f"{url}{path}").headers
            assert headers["content-security-policy"] == f"frame-ancestors {frames}"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"


def test_a_client_that_guesses_passwords_has_to_wait_and_another_has_not(serve: Serve) -> None:
    with serve(server.access(False, False, OPEN)) as url:
        assert httpx.get(f"{url}config").status_code == 401
        for _ in range(server.LOGINS_OF_A_CLIENT):
            assert login(url, "sécret").status_code == 400
        refused = login(url, "secret:word")
        assert refused.status_code == 429
        assert refused.json() == {"detail": server.TOO_MANY_LOGINS}
        assert login(url, "secret:word", client="203.0.113.2").json() == {"success": True}


def test_logins_that_succeed_are_not_counted(serve: Serve) -> None:
    with serve(server.access(False, False, OPEN)) as url:
        for _ in range(server.LOGINS_OF_A_CLIENT + 1):
            assert login(url, "secret:word").status_code == 200


def test_many_clients_together_cannot_guess_either(serve: Serve) -> None:
    with serve(server.access(False, False, OPEN)) as url:
        statuses = [login(url, "guess", f"203.0.113.{number}").status_code for number in range(server.LOGINS_IN_ALL)]
        assert set(statuses) == {400}
        assert login(url, "guess", client="198.51.100.1").status_code == 429


@pytest.mark.parametrize("port", ["0", "-1", "65536", "99999999999", "seven", "7860.5", "", "²"])
def test_what_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(UsageError, match="whole number from 1 to 65535"):
        server.port_of(port)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "nobody.invalid"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(UserError, match=f"cannot listen on {host}"):
        server.check_address(host, None)


@pytest.mark.parametrize("host", [None, "127.0.0.1", "localhost", "0.0.0.0"])
def test_a_port_in_use_is_refused_and_a_free_one_is_not(host: str | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} .address already in use."):
            server.check_address(host, port)
    server.check_address(host, port)
