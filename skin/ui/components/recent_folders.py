"""The folders of data sets opened last, kept in the home from one start of the app to the next."""

import json
from contextlib import suppress
from pathlib import Path

from skin.errors import UserError
from skin.files import write_atomically
from skin.workspace import Workspace

MAX_FOLDERS = 4
"""Folders that are remembered, those opened last."""


def full_path(folder: str) -> str | None:
    """The folder's absolute path; None where there is no such folder."""
    try:
        path = Path(folder).expanduser().resolve()
        return str(path) if folder and path.is_dir() else None
    except (OSError, RuntimeError, ValueError):  # it is too long, not to be read, or of a user that does not exist
        return None


def remember(workspace: Workspace, folder: str) -> None:
    """Put the folder first among the remembered ones; where the home cannot be written, it is forgotten again."""
    kept = dict.fromkeys([folder, *recent_folders(workspace)])
    with suppress(UserError):
        write_atomically(_file(workspace), json.dumps(list(kept)[:MAX_FOLDERS]).encode())


def recent_folders(workspace: Workspace) -> list[str]:
    """Absolute paths of the remembered folders that are still there, the one opened last first."""
    try:
        names = json.loads(_file(workspace).read_bytes())
    except (OSError, ValueError, RecursionError):  # it was never written, or not by this program
        return []
    names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    return [path for name in names[:MAX_FOLDERS] if (path := full_path(name))]


def _file(workspace: Workspace) -> Path:
    return workspace.datasets / "folders.json"
