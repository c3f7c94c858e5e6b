"""The project's command line in a process of its own."""

import sys

from skin.workspace import Workspace


def command(workspace: Workspace, *words: str) -> list[str]:
    """The words that start `python -m skin` at home in this workspace."""
    return [sys.executable, "-m", "skin", *words, "--home", str(workspace.home)]
