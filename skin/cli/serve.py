"""The command that serves the app."""

from __future__ import annotations

from typing import Annotated

import typer

from skin.cli.options import Home


def open_app(
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on; default: this machine only. Read-only without SKIN_AUTH where others reach it."
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on; default: the first free one from 7860.")
    ] = None,
    share: Annotated[
        bool, typer.Option("--share", help="Also serve a public link; read-only without SKIN_AUTH.")
    ] = False,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="No training, no deletion, no paths of this machine.")
    ] = False,
    home: Home = None,
) -> None:
    """Serve the web app until it is stopped."""
    from skin.ui.launch import launch  # Gradio takes a second to load

    launch(host, port, share, read_only, home)
