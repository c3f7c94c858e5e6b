"""The app behind its own server: under which names, how often a password may be tried, how much may be asked and sent."""

import contextlib
import gc
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path

import gradio as gr
import httpx
import pytest
from gradio.events import api
from PIL import Image

from skin.ui import server, shell
from skin.ui.access import Access, access_of
from skin.workspace import Workspace

OPEN = {"SKIN_ALLOW_TRAINING": "1", "SKIN_AUTH": "me:secret:word"}
SPACE = {"SPACE_ID": "me/space"}

Serve = Callable[[Access], AbstractContextManager[str]]


@pytest.fixture
def serve(bare: Workspace, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Serves the whole app; gives its address."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(bare.uploads))

    @contextlib.contextmanager
    def serve(access: Access) -> Iterator[str]:
        blocks = shell.build(bare, access.read_only)
        _, address, _ = blocks.launch(
            prevent_thread_lock=True, quiet=True, **shell.launch_settings(access, bare.uploads)
        )
        yield address
        blocks.close(verbose=False)

    return serve


def login(url: str, password: str, client: str = "203.0.113.1") -> httpx.Response:
    """What a login gives, as a proxy passes it on for this client."""
    fields = {"username": "me", "password": password}
    return httpx.post(f"{url}login", data=fields, headers={"x-forwarded-for": client})


def test_a_page_of_a_foreign_name_reaches_nothing(serve: Serve) -> None:
    with serve(access_of(False, True, OPEN)) as url:
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
    with serve(access_of(False, False, environ, host)) as url:
        assert httpx.get(url, headers={"host": "me-space.hf.space"}).status_code == 200


@pytest.mark.parametrize(
    ("environ", "frames"), [({}, "'self'"), (SPACE, "'self' https://huggingface.co https://*.hf.space")]
)
def test_no_foreign_site_frames_the_app(serve: Serve, environ: dict[str, str], frames: str) -> None:
    with serve(access_of(False, False, environ)) as url:
        for path in ("", "config", "theme.css", "nothing"):
            headers = httpx.get(f"{url}{path}").headers
            assert headers["content-security-policy"] == f"frame-ancestors {frames}"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"


def test_a_client_that_guesses_passwords_has_to_wait_and_another_has_not(serve: Serve) -> None:
    with serve(access_of(False, False, OPEN)) as url:
        assert httpx.get(f"{url}config").status_code == 401
        for _ in range(server.LOGINS_OF_A_CLIENT):
            assert login(url, "sécret").status_code == 400
        refused = login(url, "secret:word")
        assert refused.status_code == 429
        assert refused.json() == {"detail": server.TOO_MANY_LOGINS}
        assert login(url, "secret:word", client="203.0.113.2").json() == {"success": True}


def test_logins_that_succeed_are_not_counted(serve: Serve) -> None:
    with serve(access_of(False, False, OPEN)) as url:
        for _ in range(server.LOGINS_OF_A_CLIENT + 1):
            assert login(url, "secret:word").status_code == 200


@pytest.mark.slow
def test_many_clients_together_cannot_guess_either(serve: Serve) -> None:
    with serve(access_of(False, False, OPEN)) as url:
        statuses = [login(url, "guess", f"203.0.113.{number}").status_code for number in range(server.LOGINS_IN_ALL)]
        assert set(statuses) == {400}
        assert login(url, "guess", client="198.51.100.1").status_code == 429


def wait_for(is_so: Callable[[], bool]) -> None:
    """Return when it is so, which is soon."""
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Desk:
    """An app of one function, which answers when the desk is opened."""

    def __init__(self, folder: Path) -> None:
        self.is_open, self.is_busy = threading.Event(), threading.Event()
        self.asked: list[str] = []
        with gr.Blocks(analytics_enabled=False) as self.blocks:
            api(self.ask, api_name="ask", concurrency_id="ask", concurrency_limit=1)
            name, seen = gr.Textbox(), gr.State("")
            gr.Button().click(
                lambda name, seen: (name or seen, name or seen), [name, seen], [name, seen], api_name="remember"
            )
        server.bound(self.blocks)
        settings = server.settings(access_of(False, False, {}), folder)
        _, self.url, _ = self.blocks.launch(prevent_thread_lock=True, quiet=True, **settings)

    def ask(self, name: str) -> str:
        self.asked.append(name)
        self.is_busy.set()
        assert self.is_open.wait(60)
        return name

    def call(self, name: str, client: int) -> httpx.Response:
        """A call from this client, as a proxy passes it on."""
        headers = {"x-forwarded-for": f"203.0.113.{client}"}
        return httpx.post(f"{self.url}gradio_api/call/ask", json={"data": [name]}, headers=headers)

    def answer(self, call: httpx.Response) -> str:
        """What whoever called is sent."""
        return httpx.get(f"{self.url}gradio_api/call/ask/{call.json()['event_id']}", timeout=60).text

    def remember(self, name: str, session: str) -> str:
        fn = next(number for number, fn in self.blocks.fns.items() if fn.api_name == "remember")
        body = {"data": [name, None], "fn_index": fn, "session_hash": session}
        assert httpx.post(f"{self.url}gradio_api/queue/join", json=body).status_code == 200
        return httpx.get(f"{self.url}gradio_api/queue/data", params={"session_hash": session}).text


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(server, "LISTEN_SECONDS", 600)  # a busy machine is slow to call
    monkeypatch.setattr(server, "SESSIONS", 5)
    desk = Desk(tmp_path)
    yield desk
    desk.is_open.set()
    desk.blocks.close(verbose=False)


def test_a_client_has_so_many_waiting_and_another_gets_its_turn(desk: Desk) -> None:
    desk.call("first", client=1)
    assert desk.is_busy.wait(60)
    for _ in range(server.ONE_KIND.of_a_client):
        assert desk.call("more", client=1).status_code == 200
    refused = desk.call("too much", client=1)
    assert (refused.status_code, refused.json()) == (503, {"detail": server.YOURS_ARE_WAITING})
    mine = desk.call("mine", client=2)
    desk.is_open.set()
    assert 'event: complete\ndata: ["mine"]' in desk.answer(mine)


def test_a_full_queue_says_so_at_once(desk: Desk) -> None:
    desk.call("first", client=0)
    assert desk.is_busy.wait(60)
    for number in range(server.ONE_KIND.in_all):
        assert desk.call("more", client=1 + number % 5).status_code == 200
    refused = desk.call("one more", client=7)
    assert (refused.status_code, refused.json()) == (503, {"detail": server.ALL_ARE_WAITING})


def test_what_nobody_waits_for_is_not_worked_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LISTEN_SECONDS", 0.5)
    desk.call("first", client=1)
    assert desk.is_busy.wait(60)
    abandoned = [desk.call("abandoned", client=1) for _ in range(10)]
    listener = threading.Thread(target=desk.answer, args=[desk.call("listened to", client=2)])
    listener.start()
    time.sleep(1)  # half of it would do
    desk.is_open.set()
    listener.join()
    assert desk.asked == ["first", "listened to"]
    assert server.NOBODY_LISTENED in desk.answer(abandoned[0])


def test_nothing_goes_past_the_queue(desk: Desk) -> None:
    for route in ("run/ask", "api/ask"):
        assert httpx.post(f"{desk.url}gradio_api/{route}", json={"data": ["a"]}).status_code == 404


def test_nothing_is_kept_of_calls_that_were_answered_and_pages_keep_their_state(desk: Desk) -> None:
    desk.is_open.set()
    desk.remember("something", session="a page")
    for _ in range(server.SESSIONS + 1):
        assert "complete" in desk.answer(desk.call("a", client=1))
    queue, sessions = desk.blocks._queue, desk.blocks.state_holder.session_data
    wait_for(lambda: not queue.listeners)
    kept = (queue.pending_messages_per_session, queue.pending_event_ids_session, queue.event_ids_to_events)
    assert [set(each) - {"a page"} for each in kept] == [set(), set(), set()]
    assert "a page" in queue.pending_messages_per_session  # or it would lose its connection when it listens anew
    assert (len(queue.event_analytics), list(sessions)) == (1, ["a page"])
    assert "something" in desk.remember("", session="a page")


def test_sessions_beyond_those_kept_are_forgotten(desk: Desk) -> None:
    for number in range(server.SESSIONS + 5):
        desk.remember("a", session=f"page {number}")
    assert len(desk.blocks.state_holder.session_data) == server.SESSIONS


def upload(url: str, content: bytes) -> httpx.Response:
    return httpx.post(f"{url}gradio_api/upload", files={"files": ("lesion.jpg", content)}, timeout=60)


def test_uploads_have_a_limit_in_all_and_make_room_for_new_ones(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_KEPT", 30_000_000)
    (path,) = upload(desk.url, bytes(19_000_000)).json()
    refused = upload(desk.url, bytes(18_000_000))
    assert (refused.status_code, refused.json()) == (507, {"detail": server.NO_ROOM})
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [Path(path)]  # nothing is left of the other
    os.utime(path, (time.time() - server.PRESSED_SECONDS - 1,) * 2)
    assert upload(desk.url, bytes(18_000_000)).status_code == 200
    assert not Path(path).exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Gradio leaves the file open
def test_a_full_disk_is_said_in_a_sentence(desk: Desk) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))  # beyond which the system refuses to write
    try:
        refused = upload(desk.url, bytes(5_000_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (refused.status_code, refused.json()) == (507, {"detail": server.NO_ROOM})
    assert upload(desk.url, bytes(5_000_000)).status_code == 200
    gc.collect()


def test_a_request_of_another_kind_is_bounded(desk: Desk) -> None:
    refused = desk.call("x" * server.MAX_BODY, client=1)
    assert (refused.status_code, refused.json()) == (413, {"detail": server.BODY_TOO_LARGE})


@pytest.mark.parametrize("route", ["process_recording", "component_server", "deep_link", "file=https://example.com/a"])
def test_routes_that_the_app_does_not_use_are_closed(desk: Desk, route: str) -> None:
    for method in ("GET", "POST"):
        assert httpx.request(method, f"{desk.url}gradio_api/{route}").status_code == 404


def test_uploads_of_an_earlier_process_are_deleted_while_the_app_runs(serve: Serve, bare: Workspace) -> None:
    old, new = bare.uploads / "a" / "old.jpg", bare.uploads / "b" / "new.jpg"
    for path, age in ((old, server.KEPT_SECONDS + 60), (new, 0)):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
        os.utime(path, (time.time() - age,) * 2)
    with serve(access_of(True, False, {})):
        wait_for(lambda: not old.exists())
        assert new.exists()


def test_rest_calls_may_leave_out_what_is_optional_and_are_told_what_is_not(url: str) -> None:
    content = BytesIO()
    Image.new("RGB", (64, 48), "red").save(content, "PNG")
    file = {"path": upload(url, content.getvalue()).json()[0], "meta": {"_type": "gradio.FileData"}}

    def answer(route: str, body: object) -> str:
        call = httpx.post(f"{url}gradio_api/call/{route}", json=body)
        return httpx.get(f"{url}gradio_api/call/{route}/{call.json()['event_id']}", timeout=60).text

    for route, body in (
        ("predict", {"data": [file]}),
        ("predict", {"data": [file, 45]}),
        ("v2/predict", {"image": file}),
        ("predict_batch", {"data": [[file]]}),
    ):
        assert answer(route, body).startswith("event: complete")
    lacking = httpx.post(f"{url}gradio_api/call/predict", json={"data": []})
    assert (lacking.status_code, lacking.json()) == (400, {"detail": "The call lacks a value of image."})
