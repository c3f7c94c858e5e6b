from pathlib import Path

import pytest

from skin.ui.components import recent_folders
from skin.workspace import Workspace


@pytest.fixture
def memory(workspace: Workspace) -> Path:
    recent_folders.remember(workspace, "/")
    return workspace.datasets / "folders.json"


def test_the_folders_opened_last_are_remembered_the_newest_first(workspace: Workspace, tmp_path: Path) -> None:
    paths = [tmp_path / f"folder {number}" for number in range(recent_folders.MAX_FOLDERS + 1)]
    for path in [*paths, paths[-2]]:
        path.mkdir(exist_ok=True)
        recent_folders.remember(workspace, str(path))

    assert recent_folders.recent_folders(workspace) == [
        str(paths[k]) for k in (-2, -1, *range(-3, -recent_folders.MAX_FOLDERS - 1, -1))
    ]
    assert recent_folders.recent_folders(Workspace(workspace.home / "another")) == []


def test_a_folder_that_is_gone_is_forgotten(workspace: Workspace, tmp_path: Path) -> None:
    gone, kept = tmp_path / "gone", tmp_path / "kept"
    for path in (gone, kept):
        path.mkdir()
        recent_folders.remember(workspace, str(path))
    gone.rmdir()

    assert recent_folders.recent_folders(workspace) == [str(kept)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        b'["/"',
        b"null",
        b"7",
        b'{"/": "/"}',
        b"[" * 100_000,
        b'[7, null, [], {}, "", "\\u0000", "/no"]',
    ],
    ids=["empty", "binary", "cut off", "null", "number", "object", "too deep", "wrong rows"],
)
def test_a_damaged_memory_is_no_memory_and_is_replaced(workspace: Workspace, memory: Path, content: bytes) -> None:
    assert recent_folders.recent_folders(workspace) == ["/"]
    memory.write_bytes(content)

    assert recent_folders.recent_folders(workspace) == []
    recent_folders.remember(workspace, "/tmp")
    assert recent_folders.recent_folders(workspace) == ["/tmp"]


def test_a_home_that_cannot_be_written_stops_nobody(workspace: Workspace) -> None:
    workspace.cache.write_text("a file where the folder should be")

    recent_folders.remember(workspace, "/tmp")
    assert recent_folders.recent_folders(workspace) == []


@pytest.mark.parametrize("name", ["", "\0", "a" * 5000, "~nobody-has-this-name/x", "/no/such/folder", __file__])
def test_what_is_no_folder_has_no_path(name: str) -> None:
    assert recent_folders.full_path(name) is None
