"""Serving the app until it is stopped."""

import os
from pathlib import Path

from skin.ui import shell
from skin.ui.access import access_of, check_address, trust_proxies_of_a_space
from skin.ui.gradio_internals import keep_uploads_in
from skin.workspace import Workspace


def launch(host: str | None, port: int | None, share: bool, read_only: bool, home: Path | None) -> None:
    """Build the page and serve it there until the process is stopped.

    Raises UserError when nothing can listen there, UsageError when SKIN_AUTH has no login in it.
    """
    check_address(host, port)
    workspace = Workspace.locate(home)
    keep_uploads_in(workspace.uploads)
    access = access_of(read_only, share, os.environ, host)
    trust_proxies_of_a_space()
    blocks = shell.build(workspace, access.read_only)
    settings = shell.launch_settings(access, workspace.uploads)
    blocks.launch(server_name=host, server_port=port, share=share, **settings)
