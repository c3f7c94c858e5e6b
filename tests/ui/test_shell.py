import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from markupsafe import escape
from typer.testing import CliRunner

from skin.cli.main import app
from skin.config import TrainConfig
from skin.run import Run
from skin.ui import shell
from skin.ui.access import access_of
from skin.workspace import PROJECT, Workspace, assets

START = """
import json, sys
reached = set()
def listen(event, args):
    if event == "socket.getaddrinfo":
        reached.add(str(args[0]))
    elif event == "socket.connect" and isinstance(args[1], tuple):
        reached.add(str(args[1][0]))
sys.addaudithook(listen)
from pathlib import Path
from skin.ui import shell
from skin.ui.access import access_of
from skin.workspace import Workspace
access, workspace = access_of(False, False, {}), Workspace(Path(sys.argv[1]))
blocks = shell.build(workspace, access.read_only)
blocks.launch(prevent_thread_lock=True, quiet=True, **shell.launch_settings(access, workspace.uploads))
print(json.dumps({"modules": list(sys.modules), "reached": sorted(reached)}))
blocks.close(verbose=False)
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process that starts the app tells of itself."""
    home = str(tmp_path_factory.mktemp("home"))
    output = subprocess.run(
        [sys.executable, "-c", START, home], cwd=PROJECT, capture_output=True, check=True, text=True
    )
    facts: dict[str, Any] = json.loads(output.stdout.splitlines()[-1])
    return facts


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    access, workspace = access_of(False, False, {}), Workspace(tmp_path_factory.mktemp("home"))
    blocks = shell.build(workspace, access.read_only)
    settings = shell.launch_settings(access, workspace.uploads)
    _, address, _ = blocks.launch(prevent_thread_lock=True, quiet=True, **settings)
    yield address
    blocks.close(verbose=False)


@pytest.mark.slow
def test_the_app_starts_without_tensorflow(started: dict[str, Any]) -> None:
    assert not {"tensorflow", "keras"} & set(started["modules"])


@pytest.mark.slow
def test_starting_reaches_out_to_nobody(started: dict[str, Any]) -> None:
    assert set(started["reached"]) <= {"localhost", "127.0.0.1", "0.0.0.0", "::1", "None"}


def test_every_page_says_what_it_is_and_what_it_is_not_for(workspace: Workspace) -> None:
    layout = json.dumps(shell.build(workspace, read_only=True).get_config_file(), default=str)

    assert escape(shell.PURPOSE) in layout
    assert shell.NOTICE in layout
    assert "read-only" in layout
    for tab in shell.TABS:
        assert f'"{tab.key}"' in layout


def test_the_look_needs_no_other_server(url: str) -> None:
    style = httpx.get(f"{url}theme.css").text

    assert "url(http" not in style
    assert "@import" not in style
    for sheet in assets().glob("*.css"):
        assert "//" not in sheet.read_text()


def test_an_upload_is_bounded(url: str) -> None:
    content = b"x" * (21 * 2**20)

    assert httpx.post(f"{url}gradio_api/upload", files={"files": ("big.jpg", content)}, timeout=60).status_code == 413


@pytest.mark.parametrize("path", ["/etc/passwd", str(PROJECT / "app.py")])
def test_files_of_the_server_are_not_served(url: str, path: str) -> None:
    assert httpx.get(f"{url}gradio_api/file={path}").status_code == 403


def test_nothing_is_measured_or_remembered(url: str) -> None:
    config = httpx.get(f"{url}config").json()

    assert config["analytics_enabled"] is False
    assert config["run_history"] is False
    assert httpx.get(f"{url}monitoring/summary").status_code == 403


def test_a_link_opens_its_tab_and_run(workspace: Workspace) -> None:
    Run.create(workspace, "mine", TrainConfig())

    tabs, opened, _ = shell.follow_link(workspace, {"tab": "training", "run": "mine"})

    assert (tabs.selected, opened) == ("training", "mine")


@pytest.mark.parametrize("query", [{}, {"tab": "nonsense"}])
def test_a_wrong_tab_opens_the_page_as_it_is(workspace: Workspace, query: dict[str, str]) -> None:
    assert shell.follow_link(workspace, query) == (gr.skip(),) * 3


@pytest.mark.parametrize("name", ["gone", "../../etc"])
def test_a_link_to_a_run_that_is_not_there_says_so(workspace: Workspace, name: str) -> None:
    with pytest.warns(UserWarning, match="There is no run"):
        assert shell.follow_link(workspace, {"run": name}) == (gr.skip(),) * 3


def test_help_names_every_flag() -> None:
    output = subprocess.run(
        [sys.executable, "app.py", "--help"], cwd=PROJECT, capture_output=True, check=True, text=True
    )

    assert all(flag in output.stdout for flag in ("--host", "--port", "--share", "--read-only", "--home"))


@pytest.mark.slow
def test_a_wrong_login_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    environ = {"SKIN_AUTH": "nobody", "PATH": "", "HOME": str(tmp_path)}
    output = subprocess.run(
        [sys.executable, "app.py"], cwd=PROJECT, env=environ, capture_output=True, check=False, text=True
    )

    assert output.returncode == 2
    assert output.stderr.strip() == "Error: SKIN_AUTH must have the form user:password."


def start(home: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """The app, started with flags with which it ends by itself."""
    command = [sys.executable, "app.py", "--home", str(home), *flags]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, check=False, text=True)


@pytest.mark.slow
def test_a_port_in_use_is_said_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = start(tmp_path, "--port", str(port))
    assert (ended.returncode, ended.stdout) == (1, "")
    expected = f"Error: The app cannot listen on 127.0.0.1, port {port} (address already in use): choose another --port or --host."
    assert ended.stderr.strip() == expected


@pytest.mark.parametrize("port", ["0", "-1", "65536", "99999999999", "seven", "7860.5", "", "²"])
def test_an_impossible_port_is_refused(port: str) -> None:
    refused = CliRunner().invoke(app, ["app", "--port", port])
    assert refused.exit_code == 2
    assert "Invalid value for '--port'" in refused.stderr


@pytest.mark.slow
def test_the_app_needs_its_assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skin.workspace.PROJECT", tmp_path)

    refused = CliRunner().invoke(app, ["app", "--home", str(tmp_path)])

    assert refused.exit_code == 1
    assert "install it again" in refused.stderr


def test_no_listener_without_progress_tells_its_outputs_of_any(workspace: Workspace) -> None:
    listeners = shell.build(workspace, read_only=False).get_config_file()["dependencies"]
    hidden = [listener for listener in listeners if listener["targets"] and listener["show_progress"] == "hidden"]
    assert len(hidden) > 50
    assert all(listener["show_progress_on"] == [] for listener in hidden)


def test_no_choice_is_dropped_while_an_earlier_one_is_answered(workspace: Workspace) -> None:
    listeners = shell.build(workspace, read_only=False).get_config_file()["dependencies"]
    choices = [row for row in listeners if {"change", "input"} & {event for _, event in row["targets"]}]
    assert len(choices) > 50
    assert {row["trigger_mode"] for row in choices if row["backend_fn"]} == {"always_last"}
